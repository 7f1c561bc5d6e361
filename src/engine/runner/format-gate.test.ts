import t from "tap";
import type { OutputFormat } from "../../core/output-format.ts";
import { FormatGate } from "./format-gate.ts";

const THINKING: OutputFormat = { thinking: { open: "<think>", close: "</think>" } };

t.test("where the format begins to hold", (t) => {
  type Row = readonly [what: string, output: OutputFormat | undefined, ...pieces: string[]];
  /** All of the pieces but the last leave it closed. */
  const rows: readonly Row[] = [
    ["a raw prompt", undefined],
    ["a model that does not think", { calls: "hermes" }],
    ["one that has not begun to", THINKING],
    ["one that has", { ...THINKING, beginsThinking: true }, "Hm.", "</thi", "nk>"],
    [
      "one that ends its thoughts with other words",
      {
        thinking: { open: "Here is my thought process:", close: "Here is my response:" },
        beginsThinking: true,
      },
      "Hm. Here is",
      "\nHere's my",
      " response:",
    ],
    [
      "gpt-oss",
      { calls: "harmony" },
      "<|channel|>analysis<|message|>A final",
      " answer<|message|>.<|end|><|start|>assistant<|channel|>",
      "final <|constrain|>json",
      "<|message|>",
    ],
  ];
  for (const [what, output, ...pieces] of rows) {
    const gate = new FormatGate(output);
    for (const piece of pieces) {
      t.notOk(gate.open, `${what}: before ${piece}`);
      gate.push(piece);
    }
    t.ok(gate.open, what);
    gate.push("<think>");
    t.ok(gate.open, "it stays open");
  }
  t.end();
});

t.test("it remembers no more than it needs", (t) => {
  const gate = new FormatGate({ ...THINKING, beginsThinking: true });
  for (let count = 0; count < 1_000; count++) gate.push("so ".repeat(100));
  gate.push("</think");
  t.notOk(gate.open);
  gate.push(">");
  t.ok(gate.open);
  t.end();
});
