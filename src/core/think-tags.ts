import type { Message } from "./inference.ts";
import type { ModelRecord } from "./model.ts";
import { parseModelName } from "./model-name.ts";

/** Models that wrote their thinking into the answer before Ollama told it apart: clients may send it back so. */
export function writesThinkTags({ details, name }: Pick<ModelRecord, "details" | "name">): boolean {
  return details.family === "qwen3" || parseModelName(name)?.model === "deepseek-r1";
}

const LEADING_THINKING = /^\s*<think>.*?(?:<\/think>\s*|$)/s;

/** Without what was thought for the answers before the last question, which such models are not to see again (Ollama's filterThinkTags). */
export function withoutEarlierThinking(messages: readonly Message[]): readonly Message[] {
  const lastUser = messages.findLastIndex(({ role }) => role === "user");
  return messages.map((message, index) =>
    message.role === "assistant" && index < lastUser
      ? { ...message, content: message.content.replace(LEADING_THINKING, "") }
      : message,
  );
}
