/** How a model marks what it thinks and the tools it calls in the text of its answer: its chat template shows it. */
export interface OutputFormat {
  /** One of CALL_FORMATS; another one is a newer version's, and unknown here. */
  readonly calls?: string;
  readonly thinking?: ThinkingMarks;
  /** The prompt ends inside a block of thinking, so the answer begins there. */
  readonly beginsThinking?: boolean;
}

export interface ThinkingMarks {
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
  "granite",
  "nemotron",
  "phi",
] as const;
export type CallFormat = (typeof CALL_FORMATS)[number];

/**
 * What a template says of each format, word for word; the first row that is all there counts. Templates repeat the calls of
 * earlier turns, or tell the model how to write them.
 */
const CALLS: readonly (readonly [format: CallFormat, ...words: string[]])[] = [
  ["harmony", "<|channel|>"],
  ["dsml", "｜DSML｜"],
  ["deepseek", "<｜tool▁calls▁begin｜>"],
  ["mistral", "[TOOL_CALLS]"],
  ["kimi", "<|tool_call_argument_begin|>"],
  ["minimax", "<minimax:tool_call>"],
  ["command", "<|START_ACTION|>"],
  ["granite", "<|start_of_role|>", "<|tool_call|>"],
  ["nemotron", "<TOOLCALL>"],
  ["phi", "<|/tool|>"],
  ["phi", "functools["],
  ["hermes", "<tool_call>"],
  ["llama", "<|python_tag|>"],
  ["llama", "<|python_start|>"],
  ["llama", "<|start_header_id|>", '"parameters"'],
  ["llama", "<|header_start|>", '"parameters"'],
];

const THINKING: readonly ThinkingMarks[] = [
  { open: "<think>", close: "</think>" },
  { open: "[THINK]", close: "[/THINK]" },
  { open: "<seed:think>", close: "</seed:think>" },
  { open: "<|START_THINKING|>", close: "<|END_THINKING|>" },
];

/** Of a model with this chat template, Jinja or Go. */
export function outputFormatOf(template: string): OutputFormat {
  const calls = CALLS.find(([, ...words]) => words.every((word) => template.includes(word)))?.[0];
  // Its channels tell thinking apart.
  if (calls === "harmony") return { calls };
  const thinking =
    THINKING.find(({ open, close }) => template.includes(open) || template.includes(close)) ??
    (template.includes("enable_thinking") ? THINKING[0] : undefined);
  return { ...(calls && { calls }), ...(thinking && { thinking }) };
}

/** Of the answer to one prompt. */
export function answerFormatOf(format: OutputFormat, prompt: string): OutputFormat {
  const open = format.thinking?.open;
  const begins = open !== undefined && prompt.trimEnd().endsWith(open);
  return begins ? { ...format, beginsThinking: true } : format;
}

export function canThink({ calls, thinking }: OutputFormat): boolean {
  return thinking !== undefined || calls === "harmony";
}
