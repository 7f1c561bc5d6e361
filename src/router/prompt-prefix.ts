import type { GenerateInput } from "../core/inference.ts";

/** Enough to tell conversations apart, whatever else they have in common. */
const PREFIX_CHARS_MAX = 1_024;

/**
 * What all turns of a conversation begin with: its messages up to the first of the user, or the beginning of the prompt.
 * Tokens that an engine has evaluated once for it need not be evaluated again.
 */
export function promptPrefix(input: GenerateInput): string {
  if (input.kind === "prompt") return input.prompt.slice(0, PREFIX_CHARS_MAX);
  const firstUser = input.messages.findIndex(({ role }) => role === "user");
  const opening = firstUser < 0 ? input.messages : input.messages.slice(0, firstUser + 1);
  return opening
    .map(({ role, content }) => `${role}\n${content.slice(0, PREFIX_CHARS_MAX)}`)
    .join("\n");
}
