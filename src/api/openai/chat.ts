import type { Context } from "hono";
import type { GenerateRequest } from "../../core/inference.ts";
import type { ModelRecord } from "../../core/model.ts";
import type { RouteContext } from "../deps.ts";
import { beginAnswers, generated } from "../dialects/answers.ts";
import { readRequest } from "../dialects/read-request.ts";
import { reply } from "../dialects/reply.ts";
import { refuseUnserved } from "../dialects/unserved.ts";
import { reportFailure } from "../http/error-response.ts";
import { HttpError } from "../http/http-error.ts";
import { type ApiEnv, askingOf } from "../http/request-signal.ts";
import { can, fullNameOf, requireModel, resolveThink } from "../ollama/find-model.ts";
import { chatChunks, chatCompletion } from "./chat-answer.ts";
import { CHAT_SHAPE, type ChatAsk, parseChat } from "./chat-request.ts";
import { choicesOf, numbered } from "./choices.ts";
import { newHead } from "./head.ts";

/** POST /v1/chat/completions. */
export async function chatCompletions(
  c: Context<ApiEnv>,
  context: RouteContext,
): Promise<Response> {
  const ask = parseChat(await readRequest(c.req.raw, context.options.bodyBytesMax, CHAT_SHAPE));
  const record = requireChatModel(context, ask);
  const requestId = c.get("requestId");
  const request = requestOf(requestId, record, ask);
  const wait = askingOf(c, record);
  const requests = numbered(choicesOf(request, ask.choices, context.random));
  const answers = await beginAnswers(
    requests.map((choice) => generated(context.inference, choice, wait)),
  );
  const head = newHead("chatcmpl-", { ...ask, choicesPerPrompt: ask.choices }, context);
  return reply(answers, {
    stream: ask.stream && !ask.asked.renderOnly,
    count: requests.length,
    whole: (whole) => chatCompletion(head, whole),
    events: chatChunks(head, (error) => reportFailure(context.log, { requestId }, error)),
  });
}

function requireChatModel({ replicas }: RouteContext, { model, tools }: ChatAsk): ModelRecord {
  if (model === "") throw new HttpError(400, "model is required", { param: "model" });
  const record = requireModel(replicas, model);
  if (!can(record, "completion")) throw new HttpError(400, `"${model}" does not support chat`);
  if (tools.length > 0 && !can(record, "tools")) {
    const message = `${fullNameOf(model)} does not support tools`;
    throw new HttpError(400, message, { param: "tools" });
  }
  return record;
}

function requestOf(requestId: string, record: ModelRecord, ask: ChatAsk): GenerateRequest {
  const { messages, tools, asked } = ask;
  const think = resolveThink(record, ask.model, ask.think);
  refuseUnserved({ messages, tools });
  return {
    requestId,
    model: record.manifest,
    input: {
      kind: "messages",
      messages,
      ...(tools.length > 0 ? { tools } : {}),
      ...(think === undefined ? {} : { think }),
    },
    runner: {},
    ...asked,
  };
}
