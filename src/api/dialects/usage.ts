import type { End } from "./pieces.ts";
import type { WholeAnswer } from "./whole-answer.ts";

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

export function usageOf(answers: readonly WholeAnswer[], choicesPerPrompt: number): Usage {
  return answers.reduce(
    (usage, { end }, choice) => (end ? withEnd(usage, end, choice, choicesPerPrompt) : usage),
    NO_USAGE,
  );
}
