import t from "tap";
import { CALL_FORMATS, type OutputFormat, THINK } from "./output-format.ts";
import { parserFormatOf, withParser } from "./parser-formats.ts";

const OTHER = { open: "<thought>", close: "</thought>" };
const MARKS = { open: "<c>", close: "</c>" };

t.test("what a parser adds to a template's words", (t) => {
  type Row = readonly [format: OutputFormat, parser: string | undefined, both: OutputFormat];
  const rows: readonly Row[] = [
    [{}, undefined, {}],
    [{}, "unknown", {}],
    [{}, "passthrough", {}],
    [{}, "qwen3-thinking", { calls: "hermes", thinking: THINK }],
    [{ calls: "json" }, "lfm2", { calls: "python" }],
    [{ calls: "json" }, "olmo3-think", { calls: "json", thinking: THINK }],
    [{ calls: "json", callMarks: MARKS }, "lfm2", { calls: "json", callMarks: MARKS }],
    [{ calls: "mistral" }, "qwen3-thinking", { calls: "mistral", thinking: THINK }],
    [{ thinking: OTHER }, "deepseek3", { calls: "deepseek", thinking: OTHER }],
    [{ calls: "harmony" }, "qwen3-thinking", { calls: "harmony" }],
    [{ thinking: THINK }, "harmony", { calls: "harmony" }],
  ];
  for (const [format, parser, both] of rows) {
    t.strictSame(withParser(format, parser), both, `${JSON.stringify(format)} and ${parser}`);
  }
  t.end();
});

t.test("parsers' formats are known", (t) => {
  const known: ReadonlySet<string> = new Set(CALL_FORMATS);
  for (const parser of ["cogito", "deepseek3.2", "gemma4", "glm-4.6", "ministral"]) {
    t.ok(known.has(parserFormatOf(parser)?.calls ?? ""), parser);
  }
  t.equal(parserFormatOf("passthrough"), undefined);
  t.end();
});
