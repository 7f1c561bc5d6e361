import type { Logprob, ToolCall } from "../../core/inference.ts";
import type { Chosen } from "../dialects/answers.ts";
import type { Piece } from "../dialects/pieces.ts";
import { NO_USAGE, usageOf, withEnd } from "../dialects/usage.ts";
import type { WholeAnswer } from "../dialects/whole-answer.ts";
import { type EventWriter, sseEvent } from "../http/sse.ts";
import { omitEmpty } from "../json/go-json.ts";
import { openAiErrorBody } from "./errors.ts";
import { type Head, headFields, usageFields } from "./head.ts";
import { tokenLogprobs } from "./logprobs.ts";

type Fields = Readonly<Record<string, unknown>>;

/** The answer in one object. */
export function chatCompletion(head: Head, answers: readonly WholeAnswer[]): Fields {
  const prompt = answers[0]?.rendered;
  return {
    ...headFields(head, "chat.completion"),
    choices: answers.map(wholeChoice),
    usage: usageFields(usageOf(answers, head.choicesPerPrompt)),
    ...(prompt === undefined ? {} : { _debug_info: { rendered_template: prompt } }),
  };
}

function wholeChoice(answer: WholeAnswer, index: number): Fields {
  const { text, thinking, calls, end, logprobs } = answer;
  return {
    index,
    message: {
      role: "assistant",
      content: text,
      ...omitEmpty({ reasoning: thinking, tool_calls: calls.map(toolCall) }),
    },
    finish_reason: calls.length > 0 && end?.reason === "stop" ? "tool_calls" : end?.reason,
    ...logprobsField(logprobs),
  };
}

/**
 * The answer as chunks: the role in the first one of each choice, then what is said, then the reason why it ends; the usage
 * at last when it was asked for.
 */
export function chatChunks(head: Head, onError: (error: unknown) => void): EventWriter<Chosen> {
  const fields = headFields(head, "chat.completion.chunk");
  const calls = new Map<number, number>();
  let usage = NO_USAGE;
  const chunk = (index: number, delta: Fields, rest: Fields): string =>
    sseEvent({ ...fields, choices: [{ index, delta, ...rest }] });
  const said = (index: number, given: Fields, rest: Fields = {}): string => {
    const isFirst = !calls.has(index);
    if (isFirst) calls.set(index, 0);
    const delta = isFirst ? { role: "assistant", ...given } : given;
    return chunk(index, delta, { finish_reason: null, ...rest });
  };
  const write = (choice: number, piece: Piece): string => {
    if (piece.type === "text") {
      return said(choice, { content: piece.text }, logprobsField(piece.logprobs ?? []));
    }
    if (piece.type === "thinking") return said(choice, { reasoning: piece.text });
    const before = calls.get(choice) ?? 0;
    if (piece.type === "call") {
      const text = said(choice, { content: "", tool_calls: [toolCall(piece.call, before)] });
      calls.set(choice, before + 1);
      return text;
    }
    if (piece.type === "rendered") return "";
    usage = withEnd(usage, piece, choice, head.choicesPerPrompt);
    // Clients put the message together from its deltas: it needs a role even when nothing was said.
    const opening = calls.has(choice) ? "" : said(choice, { content: "" });
    const reason = before > 0 && piece.reason === "stop" ? "tool_calls" : piece.reason;
    return opening + chunk(choice, {}, { finish_reason: reason });
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

function toolCall({ id, name, arguments: given }: ToolCall, index: number): Fields {
  const called = { name, arguments: JSON.stringify(given) };
  return { id: id ?? "", index, type: "function", function: called };
}

function logprobsField(logprobs: readonly Logprob[]): Fields {
  return logprobs.length === 0 ? {} : { logprobs: { content: tokenLogprobs(logprobs) } };
}
