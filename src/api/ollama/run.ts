import type { Context } from "hono";
import type { GenerateRequest, Logprob, ToolCall } from "../../core/inference.ts";
import type { Asking } from "../../core/ports.ts";
import type { RouteContext } from "../deps.ts";
import { reportFailure } from "../http/error-response.ts";
import { ndjsonStream } from "../http/ndjson.ts";
import { jsonReply, routeHeaders } from "../http/reply.ts";
import type { ApiEnv } from "../http/request-signal.ts";
import { checkFormatSize } from "../json/format-size.ts";
import { type OutputPart, type Said, said } from "../output/output-part.ts";
import { type Output, OutputReader } from "../output/output-reader.ts";
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
  readonly piece: (said: Piece) => Fields;
  /** Fields of the last object only. */
  readonly last: (end: End) => Fields;
}

/** A piece of the answer, its calls as Ollama writes them; empty ones have no fields. */
export interface Piece {
  readonly content: string;
  readonly thinking: { readonly thinking?: string };
  readonly calls: { readonly tool_calls?: readonly Fields[] };
}

/** Writes the objects of one answer. */
interface Writer {
  readonly output: (output: Output) => Fields;
  readonly end: (end: End, output: Output) => Fields;
  readonly rendered: (prompt: string) => Fields;
}

const NOTHING: Output = { parts: [], logprobs: [] };

/** Runs the request and writes its answer, in one object or as NDJSON. */
export async function runAnswer(
  c: Context<ApiEnv>,
  request: GenerateRequest,
  form: AnswerForm,
  context: RouteContext,
  wait: Asking,
): Promise<Response> {
  checkFormatSize(request.format);
  const { clock, log, inference } = context;
  const stream = form.stream && !request.renderOnly;
  if (stream) c.set("streaming", true);
  const startedMs = clock.nowMs();
  const reader = new OutputReader(request, context.random);
  const begun = await begin(inference.generate(request, wait), reader);
  const headers = routeHeaders(begun.route);
  const write = (fields: Fields): Fields => ({
    model: form.model,
    created_at: timestamp(clock),
    ...fields,
  });
  const pieceOf = pieces();
  const writer: Writer = {
    output: ({ parts, logprobs }) =>
      write({ ...form.piece(pieceOf(parts)), done: false, ...logprobsField(logprobs) }),
    end: (end, { parts, logprobs }) =>
      write({
        ...form.piece(pieceOf(parts)),
        done: true,
        done_reason: end.reason,
        ...form.last(end),
        ...metrics(end, { totalMs: clock.nowMs() - startedMs, loadMs: begun.loadMs() }),
        ...logprobsField(logprobs),
      }),
    rendered: (prompt) => {
      const images = form.images > 0 ? { image_count: form.images } : {};
      const info = { rendered_template: prompt, ...images };
      return write({ ...form.piece(pieceOf([])), done: false, _debug_info: info });
    },
  };
  if (!stream) return jsonReply(await wholeAnswer(begun, writer), headers);
  const body = ndjsonStream(begun.content, {
    line: (event) => {
      if (event.type === "output") return writer.output(event);
      return event.type === "end" ? writer.end(event, NOTHING) : writer.rendered(event.prompt);
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
  const parts: OutputPart[] = [];
  const logprobs: Logprob[] = [];
  for await (const event of content) {
    if (event.type === "rendered") return writer.rendered(event.prompt);
    if (event.type === "end") return writer.end(event, { parts, logprobs });
    parts.push(...event.parts);
    logprobs.push(...event.logprobs);
  }
  throw endedEarly();
}

/** Calls are numbered through the whole answer. */
function pieces(): (parts: readonly OutputPart[]) => Piece {
  let called = 0;
  return (parts) => {
    const { content, thinking, calls }: Said = said(parts);
    const written = calls.map((call) => callField(call, called++));
    return {
      content,
      thinking: thinking === "" ? {} : { thinking },
      calls: written.length === 0 ? {} : { tool_calls: written },
    };
  };
}

function callField({ id, name, arguments: values }: ToolCall, index: number): Fields {
  return { id, function: { index, name, arguments: values } };
}
