import t from "tap";
import { type Entry, type OpenBlock, takeText } from "./entry.ts";

const message = (text: string): Entry => ({ kind: "message", text });
const system = (text: string): Entry => ({ kind: "system", text });
const command = (text: string): Entry => ({ kind: "command", text });

t.test("what texts make, one after another", (t) => {
  const rows: readonly (readonly [lines: string, ...entries: readonly Entry[]])[] = [
    ["hi", message("hi")],
    ["  hi there  ", message("hi there")],
    [""],
    ["   "],
    ["a\nb", message("a"), message("b")],
    ["/bye", command("/bye")],
    ["  /clear ", command("/clear")],
    ["what is /bye", message("what is /bye")],
    ['"""a"""', message("a")],
    ['"""a\nb"""', message("a\nb")],
    ['"""\na\n\n  b\n"""', message("\na\n\n  b\n")],
    ['"""a\n/bye\nb"""  \nc', message("a\n/bye\nb"), message("c")],
    ['"""a"""b\nc"""', message('a"""b\nc')],
    ['"""\n"""'],
    ['""""""'],
    ["/set system You are a cat.", system("You are a cat.")],
    ["/set  system\tYou", system("You")],
    ['/set system """You\nare"""\nhi', system("You\nare"), message("hi")],
    ['/set system """You"""', system("You")],
    ['/set system """"""', system("")],
    ["/set system", command("/set system")],
    ["/set systemic x", command("/set systemic x")],
  ];
  for (const [lines, ...expected] of rows) {
    let open: OpenBlock | undefined;
    const entries: Entry[] = [];
    for (const line of lines.split("\n")) {
      const step = takeText(open, line);
      open = step.open;
      if (step.entry) entries.push(step.entry);
    }
    t.same(entries, expected, JSON.stringify(lines));
    t.equal(open, undefined, `closed: ${JSON.stringify(lines)}`);
  }
  t.end();
});

t.test("a paste of several lines", (t) => {
  const rows: readonly (readonly [text: string, entry: Entry])[] = [
    ["a\n\nb\n", message("a\n\nb")],
    ["/* a comment\nof C */", message("/* a comment\nof C */")],
    ['"""a\nb"""\n', message("a\nb")],
    ["/set system You\nare", system("You\nare")],
    ["/bye\n", command("/bye")],
  ];
  for (const [text, entry] of rows) t.same(takeText(undefined, text), { entry }, text);
  t.end();
});

t.test("a block that is open", (t) => {
  t.same(takeText(undefined, '"""a'), { open: { kind: "message", text: "a\n" } });
  t.same(takeText({ kind: "message", text: "a\n" }, ""), {
    open: { kind: "message", text: "a\n\n" },
  });
  t.end();
});
