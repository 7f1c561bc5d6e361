import { readable } from "../../cells.ts";
import type { ApiClient, Json } from "../api-client.ts";
import { humanDuration } from "../human.ts";
import { chatRequest, type Message, type Settings } from "./settings.ts";

/** Writes the answer to standard output as it comes, and returns it without what the model thought. */
export async function writeAnswer(
  client: ApiClient,
  settings: Settings,
  messages: readonly Message[],
  signal: AbortSignal,
): Promise<string> {
  let answer = "";
  let isThinking = false;
  let isLineOpen = false;
  let end: Json | undefined;
  try {
    for await (const item of client.stream("/api/chat", chatRequest(settings, messages), signal)) {
      const message = (item["message"] ?? {}) as { thinking?: string; content?: string };
      const { content = "" } = message;
      const thinking = settings.hidesThinking ? "" : (message.thinking ?? "");
      if (thinking !== "" && !isThinking) process.stdout.write("Thinking...\n");
      if (content !== "" && isThinking) process.stdout.write("\n...done thinking.\n\n");
      isThinking = thinking !== "" || (isThinking && content === "");
      process.stdout.write(readable(thinking + content, process.stdout));
      isLineOpen ||= thinking + content !== "";
      answer += content;
      if (item["done"] === true) end = item;
    }
    isLineOpen = true;
  } finally {
    // Also behind half an answer, and the ^C that a terminal shows: what comes next begins on a line of its own.
    if (isLineOpen || signal.aborted) process.stdout.write("\n");
  }
  if (end && settings.isVerbose) console.error(`\n${statistics(end)}`);
  return answer;
}

function statistics(end: Json): string {
  const rate = (count: unknown, ns: unknown): string =>
    `${((Number(count ?? 0) / Math.max(1, Number(ns ?? 0))) * 1e9).toFixed(2)} tokens/s`;
  return [
    `total duration:       ${humanDuration(end["total_duration"])}`,
    `load duration:        ${humanDuration(end["load_duration"])}`,
    `prompt eval count:    ${end["prompt_eval_count"] ?? 0} token(s)`,
    `prompt eval duration: ${humanDuration(end["prompt_eval_duration"])}`,
    `prompt eval rate:     ${rate(end["prompt_eval_count"], end["prompt_eval_duration"])}`,
    `eval count:           ${end["eval_count"] ?? 0} token(s)`,
    `eval duration:        ${humanDuration(end["eval_duration"])}`,
    `eval rate:            ${rate(end["eval_count"], end["eval_duration"])}`,
  ].join("\n");
}
