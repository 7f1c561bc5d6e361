import type { Message } from "../core/inference.ts";
import type { OutputFormat } from "../core/output-format.ts";

/** gpt-oss: the answer itself is the message in this channel. */
const FINAL = "<|channel|>final<|message|>";

/**
 * A prompt, which ends where the assistant's turn begins, with the words that this turn has already, as llama-server's
 * prefill_assistant puts them. They are no thinking: a block that the prompt opens is closed before them, and what they say was
 * thought is written there, unless the prompt has said that nothing was.
 */
export function continued(
  prompt: string,
  { thinking = "", content }: Pick<Message, "thinking" | "content">,
  format: OutputFormat,
): string {
  if (format.calls === "harmony") return prompt + harmonyThought(thinking) + FINAL + content;
  if (!format.thinking) return prompt + content;
  const { open, close } = format.thinking;
  const said = prompt.trimEnd();
  if (said.endsWith(close)) return prompt + content;
  const isOpen = said.endsWith(open);
  if (!isOpen && thinking === "") return prompt + content;
  // Those who write this mark write it on a line of its own.
  const gap = open === "<think>" ? "\n" : "";
  const opened = isOpen ? `${said}${gap}` : `${prompt}${open}${gap}`;
  return `${opened}${thinking}${gap}${close}${gap}${gap}${content}`;
}

function harmonyThought(thinking: string): string {
  return thinking && `<|channel|>analysis<|message|>${thinking}<|end|><|start|>assistant`;
}
