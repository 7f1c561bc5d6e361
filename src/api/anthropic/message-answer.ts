import type { Random } from "../../core/random.ts";
import type { Chosen } from "../dialects/answers.ts";
import type { End, Piece } from "../dialects/pieces.ts";
import type { WholeAnswer } from "../dialects/whole-answer.ts";
import { type EventWriter, sseEvent } from "../http/sse.ts";
import { anthropicErrorBody } from "./errors.ts";

type Fields = Readonly<Record<string, unknown>>;

export interface MessageHead {
  readonly id: string;
  /** As the client named it. */
  readonly model: string;
}

/** The message in one object. */
export function message(head: MessageHead, answer: WholeAnswer): Fields {
  const { text, thinking, calls, end } = answer;
  const content = [
    ...(thinking === "" ? [] : [{ type: "thinking", thinking, signature: "" }]),
    ...(text === "" ? [] : [{ type: "text", text }]),
    ...calls.map(({ id, name, arguments: input }) => ({ type: "tool_use", id, name, input })),
  ];
  return messageObject(head, content, stopReason(end, calls.length > 0), {
    input_tokens: end?.promptTokens ?? 0,
    output_tokens: end?.tokens ?? 0,
  });
}

function messageObject(
  { id, model }: MessageHead,
  content: readonly Fields[],
  stop: string | null,
  usage: Fields,
): Fields {
  const is = { id, type: "message", role: "assistant", model };
  return { ...is, content, stop_reason: stop, stop_sequence: null, usage };
}

/** Which of the stop words it was, engines do not tell. */
function stopReason(end: End | undefined, hasCalls: boolean): string {
  if (end?.reason === "length") return "max_tokens";
  return hasCalls ? "tool_use" : "end_turn";
}

/**
 * The message as events (https://docs.anthropic.com/en/docs/build-with-claude/streaming): blocks one after the other, each
 * begun, continued and ended.
 */
export class MessageEvents implements EventWriter<Chosen> {
  readonly #head: MessageHead;
  readonly #promptTokens: number;
  readonly #random: Random;
  readonly #onError: (error: unknown) => void;
  #begun = false;
  /** Of the block that is open, or of the next. */
  #index = 0;
  #open: "text" | "thinking" | undefined;
  #called = false;
  #end: End | undefined;

  constructor(
    head: MessageHead,
    promptTokens: number,
    { random, onError }: { readonly random: Random; readonly onError: (error: unknown) => void },
  ) {
    this.#head = head;
    this.#promptTokens = promptTokens;
    this.#random = random;
    this.#onError = onError;
  }

  item({ piece }: Chosen): string {
    return this.#begin() + this.#write(piece);
  }

  end(): string {
    const end = this.#end;
    const delta = { stop_reason: stopReason(end, this.#called), stop_sequence: null };
    const usage = {
      input_tokens: end?.promptTokens ?? this.#promptTokens,
      output_tokens: end?.tokens ?? 0,
    };
    return (
      this.#begin() +
      this.#close() +
      event("message_delta", { delta, usage }) +
      event("message_stop", {})
    );
  }

  error(error: unknown): string {
    this.#onError(error);
    return sseEvent(anthropicErrorBody(error, this.#random), "error");
  }

  #begin(): string {
    if (this.#begun) return "";
    this.#begun = true;
    const usage = { input_tokens: this.#promptTokens, output_tokens: 0 };
    return event("message_start", { message: messageObject(this.#head, [], null, usage) });
  }

  #write(piece: Piece): string {
    if (piece.type === "text") return this.#delta("text", { type: "text_delta", text: piece.text });
    if (piece.type === "thinking") {
      return this.#delta("thinking", { type: "thinking_delta", thinking: piece.text });
    }
    if (piece.type === "end") this.#end = piece;
    if (piece.type !== "call") return "";
    this.#called = true;
    const { id, name, arguments: given } = piece.call;
    const json = { type: "input_json_delta", partial_json: JSON.stringify(given) };
    return (
      this.#close() +
      this.#start({ type: "tool_use", id, name, input: {} }) +
      this.#continue(json) +
      this.#stop()
    );
  }

  #delta(kind: "text" | "thinking", delta: Fields): string {
    if (this.#open === kind) return this.#continue(delta);
    const closed = this.#close();
    this.#open = kind;
    const empty =
      kind === "text" ? { type: kind, text: "" } : { type: kind, thinking: "", signature: "" };
    return closed + this.#start(empty) + this.#continue(delta);
  }

  #close(): string {
    if (this.#open === undefined) return "";
    this.#open = undefined;
    return this.#stop();
  }

  #start(block: Fields): string {
    return event("content_block_start", { index: this.#index, content_block: block });
  }

  #continue(delta: Fields): string {
    return event("content_block_delta", { index: this.#index, delta });
  }

  #stop(): string {
    return event("content_block_stop", { index: this.#index++ });
  }
}

function event(type: string, fields: Fields): string {
  return sseEvent({ type, ...fields }, type);
}
