import t from "tap";
import { type Opening, ValueScan } from "./value-scan.ts";

t.test("where a value ends", (t) => {
  type Row = readonly [
    opening: Opening,
    text: string,
    state: "open" | "whole" | "broken",
    length: number,
  ];
  const rows: readonly Row[] = [
    ["{", '{"a": "}"} x', "whole", 10],
    ["{", "{'a': '}', \"b\": '\"'} x", "whole", 20],
    ["{", '{"a": "\\"}"}x', "whole", 12],
    ["{", '{"a": ["', "open", 8],
    ["{", "{'a': ''}'", "whole", 9],
    ["{", "{don't}", "broken", 4],
    ["{", '{"a" "b"}', "broken", 5],
    ["{", '{"a": <', "broken", 6],
    ["{", '["a"]', "broken", 0],
    ["(", "(a='x)', b=[1, (2)]) y", "whole", 20],
    ["(", "(a='''x')''', b=\"\")", "whole", 19],
    ["(", "(a='')", "whole", 6],
    ["(", "(a='''')", "open", 8],
    ["(", "(1+1)", "whole", 5],
    ["(", "(it's)", "broken", 3],
  ];
  for (const [opening, text, state, length] of rows) {
    t.same(new ValueScan(opening).scan(text), { state, length }, text);
    const scan = new ValueScan(opening);
    const states = [...text].map((char) => scan.scan(char).state);
    t.equal(states.find((one) => one !== "open") ?? "open", state, `${text}, bit by bit`);
  }
  t.end();
});
