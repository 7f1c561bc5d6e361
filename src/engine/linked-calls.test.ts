import t from "tap";
import type { Message } from "../core/inference.ts";
import { linkedCalls } from "./linked-calls.ts";

const called = (...calls: readonly (readonly [name: string, id?: string])[]): Message => ({
  role: "assistant",
  content: "",
  toolCalls: calls.map(([name, id]) => ({ ...(id && { id }), name, arguments: {} })),
});
const answer = (content: string, toolName?: string, toolCallId?: string): Message => ({
  role: "tool",
  content,
  ...(toolName && { toolName }),
  ...(toolCallId && { toolCallId }),
});

t.test("answers find their calls", (t) => {
  type Row = readonly [what: string, given: readonly Message[], linked: readonly Message[]];
  const rows: readonly Row[] = [
    [
      "by name",
      [called(["f"], ["g"]), answer("2", "g"), answer("1", "f")],
      [
        called(["f", "call00000"], ["g", "call00001"]),
        answer("2", "g", "call00001"),
        answer("1", "f", "call00000"),
      ],
    ],
    [
      "by id",
      [called(["f", "a"], ["f", "b"]), answer("2", undefined, "b"), answer("1", undefined, "a")],
      [called(["f", "a"], ["f", "b"]), answer("2", "f", "b"), answer("1", "f", "a")],
    ],
    [
      "by order",
      [called(["f"], ["g"]), answer("1"), answer("2")],
      [
        called(["f", "call00000"], ["g", "call00001"]),
        answer("1", "f", "call00000"),
        answer("2", "g", "call00001"),
      ],
    ],
    [
      "in several turns",
      [called(["f"]), answer("1", "f"), called(["f"]), answer("2", "f")],
      [
        called(["f", "call00000"]),
        answer("1", "f", "call00000"),
        called(["f", "call00001"]),
        answer("2", "f", "call00001"),
      ],
    ],
    [
      "no call",
      [answer("1", "f"), { role: "user", content: "" }],
      [answer("1", "f"), { role: "user", content: "" }],
    ],
  ];
  for (const [what, given, linked] of rows) {
    t.strictSame(linkedCalls(given, { renames: false }), linked, what);
  }
  t.end();
});

t.test("ids that a template would refuse are renamed, in the answers too", (t) => {
  const given = [called(["f", "call_abcdefgh"]), answer("1", undefined, "call_abcdefgh")];
  t.strictSame(linkedCalls(given, { renames: true }), [
    called(["f", "call00000"]),
    answer("1", "f", "call00000"),
  ]);
  t.end();
});
