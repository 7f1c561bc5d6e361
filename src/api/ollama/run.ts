import type { Context } from "hono";
import { messageOf } from "../../core/errors.ts";
import type { GenerateEvent, GenerateRequest, Logprob } from "../../core/inference.ts";
import type { RouteContext } from "../deps.ts";
import { ndjsonStream } from "../http/ndjson.ts";
import { jsonReply, routeHeaders } from "../http/reply.ts";
import { type ApiEnv, requestSignal } from "../http/request-signal.ts";
import { begin, logprobsField, metrics, timestamp } from "./answer.ts";

/** How /api/generate and /api/chat write what they have in common. */
export interface AnswerForm {
  /** The name as the client sent it: Ollama echoes it. */
  readonly model: string;
  readonly stream: boolean;
  /** The fields that hold a piece of the answer. */
  readonly piece: (text: string) => Readonly<Record<string, unknown>>;
  /** Fields of the last object only. */
  readonly last: (
    end: Extract<GenerateEvent, { readonly type: "end" }>,
  ) => Readonly<Record<string, unknown>>;
}

/** Runs the request and writes its answer, in one object or as NDJSON. */
export async function runAnswer(
  c: Context<ApiEnv>,
  request: GenerateRequest,
  form: AnswerForm,
  context: RouteContext,
): Promise<Response> {
  const { clock, log, inference } = context;
  const signal = requestSignal(c);
  const startedMs = clock.nowMs();
  const begun = await begin(inference.generate(request, { signal }));
  const headers = routeHeaders(begun.route);
  const write = (fields: Readonly<Record<string, unknown>>) => ({
    model: form.model,
    created_at: timestamp(clock),
    ...fields,
  });
  const finish = (
    end: Extract<GenerateEvent, { readonly type: "end" }>,
    text: string,
    logprobs?: readonly Logprob[],
  ) =>
    write({
      ...form.piece(text),
      done: true,
      done_reason: end.reason,
      ...form.last(end),
      ...metrics(end, { totalMs: clock.nowMs() - startedMs, loadMs: begun.loadMs() }),
      ...logprobsField(logprobs),
    });

  if (request.renderOnly || !form.stream) {
    let text = "";
    const logprobs: Logprob[] = [];
    for await (const event of begun.content) {
      if (event.type === "rendered") {
        const debug = { _debug_info: { rendered_template: event.prompt } };
        return jsonReply(write({ ...form.piece(""), done: true, ...debug }), headers);
      }
      if (event.type === "end") return jsonReply(finish(event, text, logprobs), headers);
      text += event.text;
      logprobs.push(...(event.logprobs ?? []));
    }
    throw new Error("an answer without an end");
  }

  async function* lines(): AsyncIterable<unknown> {
    for await (const event of begun.content) {
      if (event.type === "text") {
        yield write({ ...form.piece(event.text), done: false, ...logprobsField(event.logprobs) });
      } else if (event.type === "end") yield finish(event, "");
    }
  }
  const onError = (error: unknown): void => {
    log.warn({ requestId: request.requestId, problem: messageOf(error) }, "answer broke off");
  };
  return new Response(ndjsonStream(lines(), onError), {
    headers: { "Content-Type": "application/x-ndjson", ...headers },
  });
}
