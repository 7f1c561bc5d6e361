import { CHANNEL_OPEN, type OutputFormat, THINK } from "./output-format.ts";

/** By the names of Ollama's built-in parsers (its model/parsers/parsers.go): what each of them reads. */
const FORMATS: ReadonlyMap<string, OutputFormat> = new Map<string, OutputFormat>([
  ["cogito", { calls: "deepseek", thinking: THINK }],
  ["deepseek3", { calls: "deepseek", thinking: THINK }],
  ["deepseek3.1", { calls: "deepseek", thinking: THINK }],
  ["deepseek3.2", { calls: "dsml", thinking: THINK }],
  ["functiongemma", { calls: "functiongemma" }],
  ["gemma4", { calls: "gemma4", thinking: { open: CHANNEL_OPEN, close: "<channel|>" } }],
  ["gemma4-no-thinking", { calls: "gemma4" }],
  ["glm-4.6", { calls: "hermes", thinking: THINK }],
  ["glm-4.7", { calls: "hermes", thinking: THINK }],
  ["glm-ocr", { calls: "hermes" }],
  ["gpt-oss", { calls: "harmony" }],
  ["gptoss", { calls: "harmony" }],
  ["harmony", { calls: "harmony" }],
  ["lfm2", { calls: "python" }],
  ["lfm2-thinking", { calls: "python", thinking: THINK }],
  ["ministral", { calls: "mistral" }],
  ["nemotron-3-nano", { calls: "hermes", thinking: THINK }],
  ["olmo3", { calls: "python" }],
  ["olmo3-think", { thinking: THINK }],
  ["qwen3", { calls: "hermes" }],
  ["qwen3-coder", { calls: "hermes" }],
  ["qwen3-thinking", { calls: "hermes", thinking: THINK }],
  ["qwen3-vl-instruct", { calls: "hermes" }],
  ["qwen3-vl-thinking", { calls: "hermes", thinking: THINK }],
  ["qwen3.5", { calls: "hermes", thinking: THINK }],
]);

/** Undefined for a name that we do not know, and for one that reads nothing ("passthrough"). */
export function parserFormatOf(parser: string | undefined): OutputFormat | undefined {
  return parser === undefined ? undefined : FORMATS.get(parser);
}

/** What the template tells, and of what it does not tell, what the model's parser reads. */
export function withParser(format: OutputFormat, parser: string | undefined): OutputFormat {
  const read = parserFormatOf(parser);
  if (!read || format.calls === "harmony") return format;
  // That calls are JSON is but a guess where the template has no mark for them.
  const isTold = format.calls !== undefined && (format.calls !== "json" || format.callMarks);
  if (isTold || read.calls === undefined) return { ...read, ...format };
  return read.calls === "harmony" ? read : { ...read, ...format, calls: read.calls };
}
