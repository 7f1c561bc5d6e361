import type { Context } from "hono";
import type { Progress } from "../../core/management.ts";
import type { RouteContext } from "../deps.ts";
import { reportFailure } from "../http/error-response.ts";
import { HttpError } from "../http/http-error.ts";
import { ndjsonStream } from "../http/ndjson.ts";
import type { ApiEnv } from "../http/request-signal.ts";
import { goJson, omitEmpty } from "../json/go-json.ts";

const SUCCESS = "success";

/**
 * The lines of a long call as NDJSON; or, unstreamed, the last one. What fails before the first line still has a status of
 * its own.
 */
export async function progressReply(
  c: Context<ApiEnv>,
  progress: AsyncIterable<Progress>,
  stream: boolean,
  { log }: RouteContext,
): Promise<Response> {
  c.set("streaming", true);
  const lines = progress[Symbol.asyncIterator]();
  const first = await lines.next();
  if (first.done) throw new HttpError(500, ENDED_EARLY);
  if (!stream) {
    let last: Progress = first.value;
    for (let next = await lines.next(); !next.done; next = await lines.next()) last = next.value;
    return new Response(goJson(lineOf(last)), { headers: { "Content-Type": "application/json" } });
  }
  const body = ndjsonStream(withFirst(first.value, lines), {
    line: lineOf,
    isLast: ({ status }) => status === SUCCESS,
    endedEarly: () => new HttpError(500, ENDED_EARLY),
    onError: (error) =>
      reportFailure(log, { requestId: c.get("requestId"), path: c.req.path }, error),
  });
  return new Response(body, { headers: { "Content-Type": "application/x-ndjson" } });
}

const ENDED_EARLY = "the call ended without a result";

async function* withFirst(
  first: Progress,
  rest: AsyncIterator<Progress>,
): AsyncGenerator<Progress> {
  try {
    yield first;
    for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}

function lineOf({ status, ...rest }: Progress): Readonly<Record<string, unknown>> {
  return { status, ...omitEmpty(rest) };
}
