/** How a model marks what it thinks and the tools it calls in the text of its answer: its chat template shows it. */
export interface OutputFormat {
  /** One of CALL_FORMATS; another one is a newer version's, and unknown here. */
  readonly calls?: string;
  /** Around calls in JSON, where the template has marks of its own. */
  readonly callMarks?: Marks;
  readonly thinking?: Marks;
  /** The prompt ends inside a block of thinking, so the answer begins there. */
  readonly beginsThinking?: boolean;
  /** Around the answer itself. */
  readonly wrapper?: Marks;
}

/** The closing one may be empty where nobody knows it. */
export interface Marks {
  readonly open: string;
  readonly close: string;
}

export const CALL_FORMATS = [
  "hermes",
  "llama",
  "mistral",
  "deepseek",
  "dsml",
  "harmony",
  "kimi",
  "minimax",
  "command",
  "action",
  "granite",
  "nemotron",
  "phi",
  "hunyuan",
  "seed",
  "python",
  "functiongemma",
  "gemma4",
  "apertus",
  "functionary",
  // JSON with the template's own marks, or none: of templates that are none of the others'.
  "json",
] as const;
export type CallFormat = (typeof CALL_FORMATS)[number];

/**
 * What a template says of each format, word for word; the first row that is all there counts. Templates repeat the calls of
 * earlier turns, or tell the model how to write them.
 */
const CALLS: readonly (readonly [format: CallFormat, ...words: string[]])[] = [
  ["harmony", "<|channel|>"],
  ["functionary", ">>>all"],
  ["dsml", "｜DSML｜"],
  ["deepseek", "<｜tool▁calls▁begin｜>"],
  ["mistral", "[TOOL_CALLS]"],
  ["kimi", "<|tool_call_argument_begin|>"],
  ["minimax", "<minimax:tool_call>"],
  ["seed", "<seed:tool_call>"],
  ["command", "<|START_ACTION|>"],
  ["action", "Action:", "```json", "tool_name"],
  ["granite", "<|start_of_role|>", "<|tool_call|>"],
  ["nemotron", "<TOOLCALL>"],
  ["nemotron", "<toolcall>"],
  ["functiongemma", "<start_function_call>"],
  ["gemma4", "<|tool_call>"],
  ["phi", "<|/tool|>"],
  ["phi", "functools["],
  ["python", "<|tool_call_start|>"],
  ["python", "<function_calls>"],
  ["hunyuan", "<tool_calls>"],
  ["apertus", "<|tools_prefix|>"],
  ["hermes", "<tool_call>"],
  // Functionary 3.1, which has Llama's mark for code.
  ["hermes", "<function="],
  ["llama", "<|python_tag|>"],
  ["llama", "<|python_start|>"],
  ["llama", "<|start_header_id|>", '"parameters"'],
  ["llama", "<|header_start|>", '"parameters"'],
  // Llama 4, told to call in Python.
  ["llama", "<|header_start|>", "func_name1(params_name1="],
];

export const THINK: Marks = { open: "<think>", close: "</think>" };
/** Gemma 4: the name of the channel follows. */
export const CHANNEL_OPEN = "<|channel>";
const CHANNEL_NAME = "thought";

const THINKING: readonly Marks[] = [
  THINK,
  { open: "[THINK]", close: "[/THINK]" },
  { open: "<seed:think>", close: "</seed:think>" },
  { open: "<|START_THINKING|>", close: "<|END_THINKING|>" },
  { open: CHANNEL_OPEN, close: "<channel|>" },
  { open: "<|inner_prefix|>", close: "<|inner_suffix|>" },
  // EXAONE Deep, and Granite 3.2.
  { open: "<thought>", close: "</thought>" },
  { open: "Here is my thought process:", close: "Here is my response:" },
];

/** Granite 3.3 and ERNIE 4.5; Hunyuan. */
const WRAPPERS: readonly Marks[] = [
  { open: "<response>", close: "</response>" },
  { open: "<answer>", close: "</answer>" },
];

/** Of a model with this Jinja template; one that shows tools without a word of how to call them is answered in JSON. */
export function outputFormatOf(template: string): OutputFormat {
  const calls =
    callFormatIn(template) ?? (/\btools\b|\btool_calls?\b/.test(template) ? "json" : undefined);
  // Its channels tell thinking apart.
  if (calls === "harmony") return { calls };
  const thinking = thinkingIn(template);
  const wrapper = wrapperIn(template);
  return { ...(calls && { calls }), ...(thinking && { thinking }), ...(wrapper && { wrapper }) };
}

/** The format whose words stand in the template, Jinja or Go. */
export function callFormatIn(template: string): CallFormat | undefined {
  return CALLS.find(([, ...words]) => words.every((word) => template.includes(word)))?.[0];
}

export function thinkingIn(template: string): Marks | undefined {
  const known = THINKING.find(
    ({ open, close }) => template.includes(open) || template.includes(close),
  );
  return known ?? (template.includes("enable_thinking") ? THINK : undefined);
}

export function wrapperIn(template: string): Marks | undefined {
  return WRAPPERS.find(({ open, close }) => template.includes(open) && template.includes(close));
}

/** The same words in another form, which those who were trained on them write, too. */
const ALIASES: ReadonlyMap<string, string> = new Map([
  ["Here is my thought process:", "Here's my thought process:"],
  ["Here is my response:", "Here's my response:"],
]);

/** All forms of a mark of thinking. None of them begins another. */
export function spellingsOf(mark: string): readonly string[] {
  const alias = ALIASES.get(mark);
  return alias === undefined ? [mark] : [mark, alias];
}

/** Of the answer to one prompt. */
export function answerFormatOf(format: OutputFormat, prompt: string): OutputFormat {
  const open = format.thinking?.open;
  if (open === undefined) return format;
  const end = prompt.trimEnd();
  const isNamed = open === CHANNEL_OPEN && end.endsWith(open + CHANNEL_NAME);
  return isNamed || end.endsWith(open) ? { ...format, beginsThinking: true } : format;
}

export function canThink({ calls, thinking }: OutputFormat): boolean {
  return thinking !== undefined || calls === "harmony";
}
