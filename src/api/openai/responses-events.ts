import type { Clock } from "../../core/clock.ts";
import type { Logprob, ToolCall } from "../../core/inference.ts";
import type { Random } from "../../core/random.ts";
import type { Chosen } from "../dialects/answers.ts";
import type { End } from "../dialects/pieces.ts";
import { NO_USAGE, withEnd } from "../dialects/usage.ts";
import type { WholeAnswer } from "../dialects/whole-answer.ts";
import { type EventWriter, sseEvent } from "../http/sse.ts";
import { openAiErrorBody } from "./errors.ts";
import { tokenLogprobs } from "./logprobs.ts";
import {
  callItem,
  type Ended,
  type Fields,
  messageItem,
  newItemId,
  outputText,
  type ResponseHead,
  reasoningItem,
  responseObject,
  summaryText,
} from "./responses-object.ts";

interface Deps {
  readonly clock: Pick<Clock, "wallMs">;
  readonly random: Random;
}

/** The response in one object. */
export function wholeResponse(head: ResponseHead, answer: WholeAnswer, deps: Deps): Fields {
  const { text, thinking, calls, logprobs, end } = answer;
  const content = [outputText(text, tokenLogprobs(logprobs))];
  const id = (kind: Parameters<typeof newItemId>[0]): string => newItemId(kind, deps.random);
  const output = [
    ...(thinking === "" ? [] : [reasoningItem(id("reasoning"), thinking)]),
    ...(text === "" && calls.length > 0 ? [] : [messageItem(id("message"), content)]),
    ...calls.map((call) => callItem(id("call"), call, "completed", head.body)),
  ];
  return responseObject(head, { output, ended: endedAs(end, deps) });
}

function endedAs(end: End | undefined, { clock }: Deps): Ended {
  const at = Math.floor(clock.wallMs() / 1_000);
  return { at, usage: end ? withEnd(NO_USAGE, end, 0, 1) : NO_USAGE };
}

/** An item of the output that text is being added to. */
interface OpenItem {
  readonly kind: "message" | "reasoning";
  readonly id: string;
  readonly logprobs: Fields[];
  text: string;
}

/**
 * The response as events (https://platform.openai.com/docs/api-reference/responses-streaming): what was begun, each item
 * of the output from its first piece to its last, and the whole at the end.
 */
export class ResponseEvents implements EventWriter<Chosen> {
  readonly #head: ResponseHead;
  readonly #deps: Deps;
  readonly #onError: (error: unknown) => void;
  readonly #output: Fields[] = [];
  #sequence = 0;
  #open: OpenItem | undefined;
  #end: End | undefined;

  constructor(head: ResponseHead, deps: Deps, onError: (error: unknown) => void) {
    this.#head = head;
    this.#deps = deps;
    this.#onError = onError;
  }

  item({ piece }: Chosen): string {
    const begun = this.#sequence === 0 ? this.#begin() : "";
    if (piece.type === "text") return begun + this.#delta("message", piece.text, piece.logprobs);
    if (piece.type === "thinking") return begun + this.#delta("reasoning", piece.text);
    if (piece.type === "call") return begun + this.#close() + this.#call(piece.call);
    if (piece.type === "end") this.#end = piece;
    return begun;
  }

  end(): string {
    // An answer without a word is a message too, also behind thoughts: clients ask again where there is neither it nor a call.
    const isSilent = this.#output.every(({ type }) => type === "reasoning");
    const closed = (isSilent ? this.#opened("message") : "") + this.#close();
    const ended = endedAs(this.#end, this.#deps);
    const response = this.#object({ output: this.#output, ended });
    return closed + this.#event("response.completed", { response });
  }

  /** In OpenAI's words for events, and in the envelope, where its clients look for it. */
  error(error: unknown): string {
    this.#onError(error);
    const { error: body } = openAiErrorBody(error);
    const { message, param, code } = body;
    const event = { type: "error", sequence_number: this.#sequence++, code, message, param };
    return sseEvent({ ...event, error: body }, "error");
  }

  #begin(): string {
    const response = this.#object({ output: [], ended: undefined });
    return (
      this.#event("response.created", { response }) +
      this.#event("response.in_progress", { response })
    );
  }

  #delta(kind: OpenItem["kind"], delta: string, tokens: readonly Logprob[] = []): string {
    const opened = this.#opened(kind);
    if (!this.#open) return opened;
    const logprobs = tokenLogprobs(tokens);
    this.#open.text += delta;
    this.#open.logprobs.push(...logprobs);
    const place = this.#place(this.#open.id);
    return kind === "reasoning"
      ? opened +
          this.#event("response.reasoning_summary_text.delta", {
            ...{ ...place, summary_index: 0, delta },
          })
      : opened +
          this.#event("response.output_text.delta", {
            ...{ ...place, content_index: 0, delta, logprobs },
          });
  }

  #opened(kind: OpenItem["kind"]): string {
    if (this.#open?.kind === kind) return "";
    const closed = this.#close();
    const id = newItemId(kind, this.#deps.random);
    this.#open = { kind, id, text: "", logprobs: [] };
    if (kind === "reasoning") {
      const fields = { ...this.#place(id), summary_index: 0, part: summaryText("") };
      const added = this.#added(reasoningItem(id, undefined));
      // Ollama leaves the part's events out; OpenAI's client ends a stream in which they are missing.
      return closed + added + this.#event("response.reasoning_summary_part.added", fields);
    }
    const part = { ...this.#place(id), content_index: 0, part: outputText("", []) };
    const added = this.#added(messageItem(id, []));
    return closed + added + this.#event("response.content_part.added", part);
  }

  #close(): string {
    if (!this.#open) return "";
    const { kind, id, text, logprobs } = this.#open;
    this.#open = undefined;
    const place = this.#place(id);
    if (kind === "reasoning") {
      const summary = { ...place, summary_index: 0 };
      return (
        this.#event("response.reasoning_summary_text.done", { ...summary, text }) +
        this.#event("response.reasoning_summary_part.done", {
          ...summary,
          part: summaryText(text),
        }) +
        this.#done(reasoningItem(id, text))
      );
    }
    const part = outputText(text, logprobs);
    return (
      this.#event("response.output_text.done", {
        ...{ ...place, content_index: 0, text, logprobs },
      }) +
      this.#event("response.content_part.done", { ...place, content_index: 0, part }) +
      this.#done(messageItem(id, [part]))
    );
  }

  #call(call: ToolCall): string {
    const { body } = this.#head;
    const id = newItemId("call", this.#deps.random);
    const place = this.#place(id);
    const given = JSON.stringify(call.arguments);
    return (
      this.#added(callItem(id, call, "in_progress", body)) +
      this.#event("response.function_call_arguments.delta", { ...place, delta: given }) +
      this.#event("response.function_call_arguments.done", { ...place, arguments: given }) +
      this.#done(callItem(id, call, "completed", body))
    );
  }

  #added(item: Fields): string {
    return this.#event("response.output_item.added", { output_index: this.#output.length, item });
  }

  #done(item: Fields): string {
    const fields = { output_index: this.#output.length, item };
    this.#output.push(item);
    return this.#event("response.output_item.done", fields);
  }

  #place(id: string): Fields {
    return { item_id: id, output_index: this.#output.length };
  }

  #object(state: Parameters<typeof responseObject>[1]): Fields {
    return responseObject(this.#head, state);
  }

  #event(type: string, fields: Fields): string {
    return sseEvent({ type, sequence_number: this.#sequence++, ...fields }, type);
  }
}
