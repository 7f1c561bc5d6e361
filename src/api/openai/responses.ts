import type { Context } from "hono";
import type { RouteContext } from "../deps.ts";
import { beginAnswers, generated } from "../dialects/answers.ts";
import { chatRequestOf, requireChatModel } from "../dialects/chat-model.ts";
import { newId } from "../dialects/ids.ts";
import { readRequest } from "../dialects/read-request.ts";
import { reply } from "../dialects/reply.ts";
import { reportFailure } from "../http/error-response.ts";
import { type ApiEnv, askingOf } from "../http/request-signal.ts";
import { ResponseEvents, wholeResponse } from "./responses-events.ts";
import { parseResponses, RESPONSES_SHAPE } from "./responses-request.ts";

/** POST /v1/responses. Nothing is kept: each request brings its whole conversation. */
export async function responses(c: Context<ApiEnv>, context: RouteContext): Promise<Response> {
  const { bodyBytesMax } = context.options;
  const ask = parseResponses(await readRequest(c, bodyBytesMax, RESPONSES_SHAPE));
  const record = requireChatModel(context, ask);
  const requestId = c.get("requestId");
  const request = chatRequestOf(requestId, record, ask);
  const head = {
    id: newId("resp_", context.random),
    createdAt: Math.floor(context.clock.wallMs() / 1_000),
    body: ask.body,
  };
  const answers = await beginAnswers([
    generated(context, request, askingOf(c, record), ask.mustCall),
  ]);
  return reply(answers, {
    stream: ask.body.stream ?? false,
    count: 1,
    whole: ([answer]) => (answer ? wholeResponse(head, answer, context) : undefined),
    events: new ResponseEvents(head, context, (error) =>
      reportFailure(context.log, { requestId }, error),
    ),
  });
}
