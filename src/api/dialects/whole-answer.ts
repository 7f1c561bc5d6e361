import type { Logprob, ToolCall } from "../../core/inference.ts";
import type { Chosen } from "./answers.ts";
import type { End } from "./pieces.ts";

/** One answer in one object. */
export interface WholeAnswer {
  text: string;
  thinking: string;
  /** The prompt, where only that was asked for. */
  rendered: string | undefined;
  readonly calls: ToolCall[];
  readonly logprobs: Logprob[];
  end: End | undefined;
}

/** Reads `count` answers to their ends. */
export async function wholeAnswers(
  pieces: AsyncIterable<Chosen>,
  count: number,
): Promise<readonly WholeAnswer[]> {
  const answers = Array.from({ length: count }, empty);
  for await (const { choice, piece } of pieces) {
    const answer = answers[choice];
    if (!answer) continue;
    if (piece.type === "text") {
      answer.text += piece.text;
      answer.logprobs.push(...(piece.logprobs ?? []));
    } else if (piece.type === "thinking") answer.thinking += piece.text;
    else if (piece.type === "call") answer.calls.push(piece.call);
    else if (piece.type === "rendered") answer.rendered = piece.prompt;
    else answer.end = piece;
  }
  return answers;
}

function empty(): WholeAnswer {
  return { text: "", thinking: "", rendered: undefined, calls: [], logprobs: [], end: undefined };
}
