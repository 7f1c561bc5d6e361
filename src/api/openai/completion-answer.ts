import type { Logprob } from "../../core/inference.ts";
import type { Chosen } from "../dialects/answers.ts";
import type { Piece } from "../dialects/pieces.ts";
import { NO_USAGE, usageOf, withEnd } from "../dialects/usage.ts";
import type { WholeAnswer } from "../dialects/whole-answer.ts";
import { type EventWriter, sseEvent } from "../http/sse.ts";
import { openAiErrorBody } from "./errors.ts";
import { type Head, headFields, usageFields } from "./head.ts";

type Fields = Readonly<Record<string, unknown>>;

const OBJECT = "text_completion";

/** The answers in one object. */
export function completion(head: Head, answers: readonly WholeAnswer[]): Fields {
  const prompt = answers[0]?.rendered;
  return {
    ...headFields(head, OBJECT),
    choices: answers.map(({ text, logprobs, end }, index) => ({
      ...{ text, index, finish_reason: end?.reason },
      ...logprobsField(logprobs, 0),
    })),
    usage: usageFields(usageOf(answers, head.choicesPerPrompt)),
    ...(prompt === undefined ? {} : { _debug_info: { rendered_template: prompt } }),
  };
}

/** The answers as chunks. With usage each chunk carries zeros, as in Ollama, and one more at the end the sums. */
export function completionChunks(
  head: Head,
  onError: (error: unknown) => void,
): EventWriter<Chosen> {
  const fields = headFields(head, OBJECT);
  const noUsage = head.includeUsage ? { usage: usageFields(NO_USAGE) } : {};
  const lengths = new Map<number, number>();
  let usage = NO_USAGE;
  const write = (index: number, piece: Piece): string => {
    const chunk = (choice: Fields): string =>
      sseEvent({ ...fields, choices: [choice], ...noUsage });
    if (piece.type === "text") {
      const { text, logprobs = [] } = piece;
      const offset = lengths.get(index) ?? 0;
      lengths.set(index, offset + text.length);
      return chunk({ text, index, finish_reason: null, ...logprobsField(logprobs, offset) });
    }
    if (piece.type !== "end") return "";
    usage = withEnd(usage, piece, index, head.choicesPerPrompt);
    return chunk({ text: "", index, finish_reason: piece.reason });
  };
  return {
    item: ({ choice, piece }) => write(choice, piece),
    end: () =>
      (head.includeUsage ? sseEvent({ ...fields, choices: [], usage: usageFields(usage) }) : "") +
      sseEvent("[DONE]"),
    error: (error) => {
      onError(error);
      return sseEvent(openAiErrorBody(error));
    },
  };
}

/** The form from before chat: lists side by side, and where each token begins in the text. */
function logprobsField(logprobs: readonly Logprob[], offset: number): Fields {
  if (logprobs.length === 0) return {};
  const offsets: number[] = [];
  let next = offset;
  for (const { token } of logprobs) {
    offsets.push(next);
    next += token.length;
  }
  return {
    logprobs: {
      tokens: logprobs.map(({ token }) => token),
      token_logprobs: logprobs.map(({ logprob }) => logprob),
      top_logprobs: logprobs.map(({ top = [] }) =>
        Object.fromEntries(top.map(({ token, logprob }) => [token, logprob])),
      ),
      text_offset: offsets,
    },
  };
}
