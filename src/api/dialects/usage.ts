import type { End } from "./pieces.ts";

export interface Usage {
  readonly promptTokens: number;
  readonly tokens: number;
}

export const NO_USAGE: Usage = { promptTokens: 0, tokens: 0 };

/** With one more answer ended. A prompt counts once, however many answers are made to it. */
export function withEnd(usage: Usage, end: End, choice: number, choicesPerPrompt: number): Usage {
  const isFirst = choice % choicesPerPrompt === 0;
  return {
    promptTokens: usage.promptTokens + (isFirst ? end.promptTokens : 0),
    tokens: usage.tokens + end.tokens,
  };
}
