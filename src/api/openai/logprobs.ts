import type { Logprob } from "../../core/inference.ts";

/** Tokens as chat completions and responses tell them: OpenAI's clients expect the list of other tokens, be it empty. */
export function tokenLogprobs(
  logprobs: readonly Logprob[],
): readonly Readonly<Record<string, unknown>>[] {
  return logprobs.map(({ token, logprob, bytes, top = [] }) => ({
    ...{ token, logprob, bytes },
    top_logprobs: top.map(({ token, logprob, bytes }) => ({ token, logprob, bytes })),
  }));
}
