import type { Context } from "hono";
import type { TokensRequest } from "../../core/inference.ts";
import type { RouteContext } from "../deps.ts";
import { HttpError } from "../http/http-error.ts";
import { jsonReply, routeHeaders } from "../http/reply.ts";
import { type ApiEnv, askingOf } from "../http/request-signal.ts";
import { omitEmpty } from "../json/go-json.ts";
import { loadDuration, nanoseconds } from "./answer.ts";
import { KEEP_ALIVE, OBJECT } from "./fields.ts";
import { requireModel } from "./find-model.ts";
import { parseOptions } from "./options.ts";
import { readAsk } from "./read-ask.ts";

const COMMON = { model: "string", keep_alive: KEEP_ALIVE, options: OBJECT } as const;
export const TOKENIZE_SHAPE = {
  name: "TokenizeRequest",
  fields: { ...COMMON, content: "string", add_special: "bool", parse_special: "bool" },
} as const;
export const DETOKENIZE_SHAPE = {
  name: "DetokenizeRequest",
  fields: { ...COMMON, tokens: { list: "int" } },
} as const;

interface Body {
  readonly model?: string;
  readonly keep_alive?: number;
  readonly options?: Readonly<Record<string, unknown>>;
}

interface TokenizeBody extends Body {
  readonly content?: string;
  readonly add_special?: boolean;
  readonly parse_special?: boolean;
}

interface DetokenizeBody extends Body {
  readonly tokens?: readonly number[];
}

/**
 * POST /api/tokenize: `content` as the model reads it. The fields and their defaults are those of llama.cpp's server
 * (tools/server/README.md, POST /tokenize); Ollama has no such route.
 */
export async function tokenize(c: Context<ApiEnv>, context: RouteContext): Promise<Response> {
  const body: TokenizeBody = await readAsk(c, context, TOKENIZE_SHAPE);
  const {
    content = "",
    add_special: addSpecial = false,
    parse_special: parseSpecial = true,
  } = body;
  const of = { kind: "text", text: content, addSpecial, parseSpecial } as const;
  return await answer(c, context, body, of, ({ tokens }) => ({ tokens }));
}

/** POST /api/detokenize: `tokens` as text. */
export async function detokenize(c: Context<ApiEnv>, context: RouteContext): Promise<Response> {
  const body: DetokenizeBody = await readAsk(c, context, DETOKENIZE_SHAPE);
  const of = { kind: "tokens", tokens: body.tokens ?? [] } as const;
  return await answer(c, context, body, of, ({ text }) => ({ content: text }));
}

async function answer(
  c: Context<ApiEnv>,
  context: RouteContext,
  body: Body,
  of: TokensRequest["of"],
  fields: (converted: { readonly tokens: readonly number[]; readonly text: string }) => object,
): Promise<Response> {
  const startedMs = context.clock.nowMs();
  const { model = "", keep_alive: keepAliveMs } = body;
  if (model === "") throw new HttpError(400, "model is required");
  const record = requireModel(context, model);
  const request = {
    requestId: c.get("requestId"),
    model: record.manifest,
    of,
    runner: parseOptions(body.options ?? {}).runner,
    ...(keepAliveMs === undefined ? {} : { keepAliveMs }),
  };
  const { route, loadMs, ...converted } = await context.inference.tokens(
    request,
    askingOf(c, record),
  );
  const durations = {
    total_duration: nanoseconds(context.clock.nowMs() - startedMs),
    load_duration: loadDuration(loadMs),
  };
  return jsonReply({ model, ...fields(converted), ...omitEmpty(durations) }, routeHeaders(route));
}
