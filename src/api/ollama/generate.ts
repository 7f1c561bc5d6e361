import type { Context } from "hono";
import { messageOf } from "../../core/errors.ts";
import { GoTemplate } from "../../core/go-template/template.ts";
import type { GenerateInput, GenerateRequest, Message } from "../../core/inference.ts";
import type { RouteContext } from "../deps.ts";
import { HttpError } from "../http/http-error.ts";
import { jsonReply, routeHeaders } from "../http/reply.ts";
import { type ApiEnv, askingOf } from "../http/request-signal.ts";
import { type End, timestamp } from "./answer.ts";
import {
  IMAGES,
  KEEP_ALIVE,
  OBJECT,
  parseFormat,
  parseLogprobs,
  THINK,
  type Think,
} from "./fields.ts";
import { can, fullNameOf, requireModel, resolveThink } from "./find-model.ts";
import { requireImages } from "./images.ts";
import { parseOptions } from "./options.ts";
import { readAsk } from "./read-ask.ts";
import { type Piece, runAnswer } from "./run.ts";

export const GENERATE_SHAPE = {
  name: "GenerateRequest",
  fields: {
    model: "string",
    prompt: "string",
    suffix: "string",
    system: "string",
    template: "string",
    context: { list: "int" },
    stream: "bool",
    raw: "bool",
    format: "any",
    keep_alive: KEEP_ALIVE,
    images: IMAGES,
    options: OBJECT,
    think: THINK,
    truncate: "bool",
    shift: "bool",
    logprobs: "bool",
    top_logprobs: "int",
    _debug_render_only: "bool",
  },
} as const;

/** What the shape above decodes to. */
interface Body {
  readonly model?: string;
  readonly prompt?: string;
  readonly suffix?: string;
  readonly system?: string;
  readonly template?: string;
  readonly context?: readonly number[];
  readonly stream?: boolean;
  readonly raw?: boolean;
  readonly format?: unknown;
  readonly keep_alive?: number;
  readonly images?: readonly string[];
  readonly options?: Readonly<Record<string, unknown>>;
  readonly think?: Think;
  readonly truncate?: boolean;
  readonly shift?: boolean;
  readonly logprobs?: boolean;
  readonly top_logprobs?: number;
  readonly _debug_render_only?: boolean;
}

/** POST /api/generate. The checks come in Ollama's order, since clients see the first that fails. */
export async function generate(c: Context<ApiEnv>, context: RouteContext): Promise<Response> {
  const body: Body = await readAsk(c, context, GENERATE_SHAPE);
  const logprobs = parseLogprobs(body.logprobs, body.top_logprobs);
  const { model = "", prompt = "", keep_alive: keepAliveMs } = body;
  if (model === "") throw new HttpError(404, "model '' not found");
  const record = requireModel(context, model);
  const requestId = c.get("requestId");
  const wait = askingOf(c, record);
  const empty = { model, created_at: timestamp(context.clock), response: "", done: true };

  if (prompt === "" && keepAliveMs === 0) {
    await context.inference.unload(record.manifest, wait);
    return jsonReply({ ...empty, done_reason: "unload" });
  }
  if (can(record, "image") && !can(record, "completion")) {
    throw new HttpError(400, "image generation models are not currently supported");
  }
  if (body.raw && (body.template || body.system || body.context?.length)) {
    throw new HttpError(400, "raw mode does not support template, system, or context");
  }
  const think = resolveThink(record, model, body.think);
  if (!can(record, "completion")) throw new HttpError(400, `"${model}" does not support generate`);
  if (body.suffix && !can(record, "insert")) {
    throw new HttpError(400, `${fullNameOf(model)} does not support insert`);
  }
  if (body.template) checkTemplate(body.template);
  const options = parseOptions(body.options ?? {});
  const keepAlive = keepAliveMs === undefined ? {} : { keepAliveMs };
  if (prompt === "") {
    const load = { requestId, model: record.manifest, runner: options.runner, ...keepAlive };
    const { route } = await context.inference.load(load, wait);
    return jsonReply({ ...empty, done_reason: "load" }, routeHeaders(route));
  }

  const { images = [] } = body;
  requireImages(record, images);
  const stream = body.stream ?? true;
  if (stream && !body._debug_render_only) c.set("streaming", true);
  const request: GenerateRequest = {
    requestId,
    model: record.manifest,
    input: inputOf(body, prompt, think),
    ...options,
    ...parseFormat(body.format),
    ...keepAlive,
    ...logprobs,
    ...(body.truncate === undefined ? {} : { truncate: body.truncate }),
    ...(body.shift === undefined ? {} : { shift: body.shift }),
    ...(body._debug_render_only ? { renderOnly: true } : {}),
    ...(body.raw ? {} : { returnContext: true }),
  };
  const form = {
    model,
    stream,
    piece: ({ content, thinking, calls }: Piece) => ({ response: content, ...thinking, ...calls }),
    images: images.length,
    last: ({ context: tokens }: End) => (tokens ? { context: tokens } : {}),
  };
  return runAnswer(c, request, form, context, wait);
}

function checkTemplate(template: string): void {
  try {
    GoTemplate.parse(template);
  } catch (error) {
    throw new HttpError(500, messageOf(error));
  }
}

/** Without raw or suffix a prompt is a conversation of one turn, rendered by the model's own template. */
function inputOf(body: Body, prompt: string, think: Think | undefined): GenerateInput {
  const images = body.images?.length ? { images: body.images } : {};
  const template = body.template ? { template: body.template } : {};
  const context = body.context?.length ? { context: body.context } : {};
  if (body.raw) return { kind: "prompt", prompt, ...images };
  if (body.suffix) {
    return { kind: "prompt", prompt, suffix: body.suffix, ...template, ...context, ...images };
  }
  const user: Message = { role: "user", content: prompt, ...images };
  return {
    kind: "messages",
    messages: body.system ? [{ role: "system", content: body.system }, user] : [user],
    ...(think === undefined ? {} : { think }),
    ...template,
    ...context,
  };
}
