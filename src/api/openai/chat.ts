import type { Context } from "hono";
import type { RouteContext } from "../deps.ts";
import { beginAnswers, generated } from "../dialects/answers.ts";
import { chatRequestOf, requireChatModel } from "../dialects/chat-model.ts";
import { readRequest } from "../dialects/read-request.ts";
import { reply } from "../dialects/reply.ts";
import { reportFailure } from "../http/error-response.ts";
import { type ApiEnv, askingOf } from "../http/request-signal.ts";
import { chatChunks, chatCompletion } from "./chat-answer.ts";
import { CHAT_SHAPE, parseChat } from "./chat-request.ts";
import { choicesOf, numbered } from "./choices.ts";
import { newHead } from "./head.ts";

/** POST /v1/chat/completions. */
export async function chatCompletions(
  c: Context<ApiEnv>,
  context: RouteContext,
): Promise<Response> {
  const ask = parseChat(await readRequest(c, context.options.bodyBytesMax, CHAT_SHAPE));
  const record = requireChatModel(context, ask);
  const requestId = c.get("requestId");
  const request = chatRequestOf(requestId, record, ask);
  const wait = askingOf(c, record);
  const requests = numbered(choicesOf(request, ask.choices, context.random));
  const answers = await beginAnswers(
    requests.map((choice) => generated(context, choice, wait, ask.mustCall)),
  );
  const head = newHead("chatcmpl-", { ...ask, choicesPerPrompt: ask.choices }, context);
  return reply(answers, {
    stream: ask.stream && !ask.asked.renderOnly,
    count: requests.length,
    whole: (whole) => chatCompletion(head, whole),
    events: chatChunks(head, (error) => reportFailure(context.log, { requestId }, error)),
  });
}
