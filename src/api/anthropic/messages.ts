import type { Context } from "hono";
import type { ModelRecord } from "../../core/model.ts";
import type { RouteContext } from "../deps.ts";
import { beginAnswers, generated } from "../dialects/answers.ts";
import { chatRequestOf, requireChatModel } from "../dialects/chat-model.ts";
import { newId } from "../dialects/ids.ts";
import { readRequest } from "../dialects/read-request.ts";
import { plainJsonReply, reply } from "../dialects/reply.ts";
import { wholeAnswers } from "../dialects/whole-answer.ts";
import { reportFailure } from "../http/error-response.ts";
import { routeHeaders } from "../http/reply.ts";
import { type ApiEnv, askingOf } from "../http/request-signal.ts";
import { can } from "../ollama/find-model.ts";
import { MessageEvents, message } from "./message-answer.ts";
import { MESSAGES_SHAPE, type MessagesAsk, parseMessagesRequest } from "./messages-request.ts";

/** POST /v1/messages. */
export async function messages(c: Context<ApiEnv>, context: RouteContext): Promise<Response> {
  const { ask, record } = await read(c, context, { counting: false });
  const requestId = c.get("requestId");
  const request = chatRequestOf(requestId, record, ask);
  const answers = await beginAnswers([
    generated(context, request, askingOf(c, record), ask.mustCall),
  ]);
  const head = { id: newId("msg_", context.random), model: ask.model };
  return reply(answers, {
    stream: ask.stream,
    count: 1,
    whole: ([answer]) => (answer ? message(head, answer) : undefined),
    events: new MessageEvents(head, answers.promptTokens ?? 0, {
      random: context.random,
      onError: (error) => reportFailure(context.log, { requestId }, error),
    }),
  });
}

/** POST /v1/messages/count_tokens: the prompt is rendered and counted where the model is, and not run. */
export async function countTokens(c: Context<ApiEnv>, context: RouteContext): Promise<Response> {
  const { ask, record } = await read(c, context, { counting: true });
  const request = {
    ...chatRequestOf(c.get("requestId"), record, ask),
    renderOnly: true,
    // All of it counts, also what would be dropped.
    truncate: false,
  };
  const { route, pieces } = await beginAnswers([generated(context, request, askingOf(c, record))]);
  const [answer] = await wholeAnswers(pieces, 1);
  return plainJsonReply({ input_tokens: answer?.end?.promptTokens ?? 0 }, routeHeaders(route));
}

async function read(
  c: Context<ApiEnv>,
  context: RouteContext,
  how: { readonly counting: boolean },
): Promise<{ readonly ask: MessagesAsk; readonly record: ModelRecord }> {
  const decoded = await readRequest(c, context.options.bodyBytesMax, MESSAGES_SHAPE);
  const ask = parseMessagesRequest(decoded, how);
  const record = requireChatModel(context, ask);
  // Clients ask for thoughts of whichever model; of one that has none they get none.
  const think = can(record, "thinking") ? ask.think : undefined;
  return { ask: { ...ask, think }, record };
}
