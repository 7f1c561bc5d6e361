import type { Context } from "hono";
import type { GenerateRequest, Logprob } from "../../core/inference.ts";
import type { Asking } from "../../core/ports.ts";
import type { RouteContext } from "../deps.ts";
import { reportFailure } from "../http/error-response.ts";
import { ndjsonStream } from "../http/ndjson.ts";
import { jsonReply, routeHeaders } from "../http/reply.ts";
import type { ApiEnv } from "../http/request-signal.ts";
import {
  type Begun,
  begin,
  type End,
  endedEarly,
  logprobsField,
  metrics,
  timestamp,
} from "./answer.ts";

type Fields = Readonly<Record<string, unknown>>;

/** How /api/generate and /api/chat write what they have in common. */
export interface AnswerForm {
  /** The name as the client sent it: Ollama echoes it. */
  readonly model: string;
  readonly stream: boolean;
  /** How many the request holds. */
  readonly images: number;
  /** The fields that hold a piece of the answer. */
  readonly piece: (text: string) => Fields;
  /** Fields of the last object only. */
  readonly last: (end: End) => Fields;
}

/** Writes the objects of one answer. */
interface Writer {
  readonly text: (text: string, logprobs: readonly Logprob[] | undefined) => Fields;
  readonly end: (end: End, text: string, logprobs: readonly Logprob[]) => Fields;
  readonly rendered: (prompt: string) => Fields;
}

/** Runs the request and writes its answer, in one object or as NDJSON. */
export async function runAnswer(
  c: Context<ApiEnv>,
  request: GenerateRequest,
  form: AnswerForm,
  context: RouteContext,
  wait: Asking,
): Promise<Response> {
  const { clock, log, inference } = context;
  const stream = form.stream && !request.renderOnly;
  if (stream) c.set("streaming", true);
  const startedMs = clock.nowMs();
  const begun = await begin(inference.generate(request, wait));
  const headers = routeHeaders(begun.route);
  const write = (fields: Fields): Fields => ({
    model: form.model,
    created_at: timestamp(clock),
    ...fields,
  });
  const writer: Writer = {
    text: (text, logprobs) =>
      write({ ...form.piece(text), done: false, ...logprobsField(logprobs) }),
    end: (end, text, logprobs) =>
      write({
        ...form.piece(text),
        done: true,
        done_reason: end.reason,
        ...form.last(end),
        ...metrics(end, { totalMs: clock.nowMs() - startedMs, loadMs: begun.loadMs() }),
        ...logprobsField(logprobs),
      }),
    rendered: (prompt) => {
      const images = form.images > 0 ? { image_count: form.images } : {};
      const info = { rendered_template: prompt, ...images };
      return write({ ...form.piece(""), done: false, _debug_info: info });
    },
  };
  if (!stream) return jsonReply(await wholeAnswer(begun, writer), headers);
  const body = ndjsonStream(begun.content, {
    line: (event) => {
      if (event.type === "text") return writer.text(event.text, event.logprobs);
      return event.type === "end" ? writer.end(event, "", []) : writer.rendered(event.prompt);
    },
    isLast: (event) => event.type === "end",
    endedEarly,
    onError: (error) => reportFailure(log, { requestId: request.requestId }, error),
  });
  return new Response(body, {
    headers: {
      "Content-Type": "application/x-ndjson",
      // Said here, so that the server sends each line as it comes, also of a short answer.
      "Transfer-Encoding": "chunked",
      ...headers,
    },
  });
}

async function wholeAnswer({ content }: Begun, writer: Writer): Promise<Fields> {
  let text = "";
  const logprobs: Logprob[] = [];
  for await (const event of content) {
    if (event.type === "rendered") return writer.rendered(event.prompt);
    if (event.type === "end") return writer.end(event, text, logprobs);
    text += event.text;
    logprobs.push(...(event.logprobs ?? []));
  }
  throw endedEarly();
}
