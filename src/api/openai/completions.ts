import type { Context } from "hono";
import type { GenerateInput, GenerateRequest } from "../../core/inference.ts";
import type { ModelRecord } from "../../core/model.ts";
import type { RouteContext } from "../deps.ts";
import { beginAnswers, generated, loaded } from "../dialects/answers.ts";
import { readRequest } from "../dialects/read-request.ts";
import { reply } from "../dialects/reply.ts";
import { reportFailure } from "../http/error-response.ts";
import { HttpError } from "../http/http-error.ts";
import { type ApiEnv, askingOf } from "../http/request-signal.ts";
import { can, fullNameOf, requireModel, resolveThink } from "../ollama/find-model.ts";
import { choicesOf, numbered } from "./choices.ts";
import { completion, completionChunks } from "./completion-answer.ts";
import { COMPLETION_SHAPE, type CompletionAsk, parseCompletion } from "./completion-request.ts";
import { newHead } from "./head.ts";

/** POST /v1/completions: as /api/generate, each prompt is a conversation of one turn unless it has a suffix. */
export async function completions(c: Context<ApiEnv>, context: RouteContext): Promise<Response> {
  const { bodyBytesMax } = context.options;
  const ask = parseCompletion(await readRequest(c, bodyBytesMax, COMPLETION_SHAPE));
  const record = requireCompletionModel(context, ask);
  const requestId = c.get("requestId");
  const requests = requestsOf(requestId, record, ask, context);
  const wait = askingOf(c, record);
  const answers = await beginAnswers(
    requests.map((request) =>
      isEmpty(request.input) ? loaded(context, request, wait) : generated(context, request, wait),
    ),
  );
  const head = newHead("cmpl-", { ...ask, choicesPerPrompt: ask.choices }, context);
  return reply(answers, {
    stream: ask.stream && !ask.asked.renderOnly,
    count: requests.length,
    whole: (whole) => completion(head, whole),
    events: completionChunks(head, (error) => reportFailure(context.log, { requestId }, error)),
  });
}

function requireCompletionModel(
  context: RouteContext,
  { model, suffix }: CompletionAsk,
): ModelRecord {
  if (model === "") throw new HttpError(400, "model is required", { param: "model" });
  const record = requireModel(context, model);
  if (!can(record, "completion")) throw new HttpError(400, `"${model}" does not support generate`);
  if (suffix !== "" && !can(record, "insert")) {
    const message = `${fullNameOf(model)} does not support insert`;
    throw new HttpError(400, message, { param: "suffix" });
  }
  return record;
}

/** The answers in the order of the prompts, those to one prompt together. */
function requestsOf(
  requestId: string,
  record: ModelRecord,
  { prompts, suffix, asked, choices, model }: CompletionAsk,
  { random }: RouteContext,
): readonly GenerateRequest[] {
  const think = resolveThink(record, model, undefined);
  const requests = prompts.flatMap((prompt) => {
    const input: GenerateInput =
      suffix === "" || prompt === ""
        ? {
            kind: "messages",
            messages: [{ role: "user", content: prompt }],
            ...(think === undefined ? {} : { think }),
          }
        : { kind: "prompt", prompt, suffix };
    const request = { requestId, model: record.manifest, input, runner: {}, ...asked };
    return choicesOf(request, choices, random);
  });
  return numbered(requests);
}

function isEmpty(input: GenerateInput): boolean {
  return input.kind === "messages" && input.messages.every(({ content }) => content === "");
}
