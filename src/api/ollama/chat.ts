import type { Context } from "hono";
import type { GenerateRequest, Message } from "../../core/inference.ts";
import type { RouteContext } from "../deps.ts";
import { HttpError } from "../http/http-error.ts";
import { jsonReply, routeHeaders } from "../http/reply.ts";
import { type ApiEnv, askingOf } from "../http/request-signal.ts";
import { isRecord, mismatch, type Shape } from "../json/decode.ts";
import { timestamp } from "./answer.ts";
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

/** Kept as it came: templates show tools to the model word for word. */
const TOOL: Shape = {
  type: "api.Tool",
  zero: {},
  custom: (value, path) => {
    if (isRecord(value)) return value;
    throw mismatch(value, path, "api.Tool");
  },
};

export const CHAT_SHAPE = {
  name: "ChatRequest",
  fields: {
    model: "string",
    messages: {
      list: {
        name: "Message",
        fields: {
          role: "string",
          content: "string",
          thinking: "string",
          images: IMAGES,
          tool_calls: {
            list: {
              name: "ToolCall",
              fields: {
                id: "string",
                function: {
                  name: "ToolCallFunction",
                  fields: { index: "int", name: "string", arguments: OBJECT },
                },
              },
            },
          },
          tool_name: "string",
          tool_call_id: "string",
        },
      },
    },
    stream: "bool",
    format: "any",
    keep_alive: KEEP_ALIVE,
    tools: { list: TOOL, type: "api.Tools" },
    options: OBJECT,
    think: THINK,
    truncate: "bool",
    shift: "bool",
    logprobs: "bool",
    top_logprobs: "int",
    _debug_render_only: "bool",
  },
} as const;

interface BodyMessage {
  readonly role?: string;
  readonly content?: string;
  readonly thinking?: string;
  readonly images?: readonly string[];
  readonly tool_calls?: readonly {
    readonly id?: string;
    readonly function?: {
      readonly name?: string;
      readonly arguments?: Readonly<Record<string, unknown>>;
    };
  }[];
  readonly tool_name?: string;
  readonly tool_call_id?: string;
}

/** What the shape above decodes to. */
interface Body {
  readonly model?: string;
  readonly messages?: readonly BodyMessage[];
  readonly stream?: boolean;
  readonly format?: unknown;
  readonly keep_alive?: number;
  readonly tools?: readonly unknown[];
  readonly options?: Readonly<Record<string, unknown>>;
  readonly think?: Think;
  readonly truncate?: boolean;
  readonly shift?: boolean;
  readonly logprobs?: boolean;
  readonly top_logprobs?: number;
  readonly _debug_render_only?: boolean;
}

/** POST /api/chat. The checks come in Ollama's order, since clients see the first that fails. */
export async function chat(c: Context<ApiEnv>, context: RouteContext): Promise<Response> {
  const body: Body = await readAsk(c, context, CHAT_SHAPE);
  const logprobs = parseLogprobs(body.logprobs, body.top_logprobs);
  const { model = "", messages = [], tools = [], keep_alive: keepAliveMs } = body;
  if (model === "") throw new HttpError(400, "model is required");
  const record = requireModel(context, model);
  const requestId = c.get("requestId");
  const wait = askingOf(c, record);
  const message = { role: "assistant", content: "" };
  const empty = { model, created_at: timestamp(context.clock), message, done: true };

  if (messages.length === 0 && keepAliveMs === 0) {
    await context.inference.unload(record.manifest, wait);
    return jsonReply({ ...empty, done_reason: "unload" });
  }
  if (!can(record, "completion")) throw new HttpError(400, `"${model}" does not support chat`);
  if (tools.length > 0 && !can(record, "tools")) {
    throw new HttpError(400, `${fullNameOf(model)} does not support tools`);
  }
  const think = resolveThink(record, model, body.think);
  const options = parseOptions(body.options ?? {});
  const keepAlive = keepAliveMs === undefined ? {} : { keepAliveMs };
  if (messages.length === 0) {
    const load = { requestId, model: record.manifest, runner: options.runner, ...keepAlive };
    const { route } = await context.inference.load(load, wait);
    return jsonReply({ ...empty, done_reason: "load" }, routeHeaders(route));
  }

  const images = messages.flatMap((message) => message.images ?? []);
  requireImages(record, images);
  const stream = body.stream ?? true;
  if (stream && !body._debug_render_only) c.set("streaming", true);
  const request: GenerateRequest = {
    requestId,
    model: record.manifest,
    input: {
      kind: "messages",
      messages: messages.map(toMessage),
      ...(tools.length > 0 ? { tools } : {}),
      ...(think === undefined ? {} : { think }),
    },
    ...options,
    ...parseFormat(body.format),
    ...keepAlive,
    ...logprobs,
    ...(body.truncate === undefined ? {} : { truncate: body.truncate }),
    ...(body.shift === undefined ? {} : { shift: body.shift }),
    ...(body._debug_render_only ? { renderOnly: true } : {}),
  };
  const form = {
    model,
    stream,
    piece: ({ content, thinking, calls }: Piece) => ({
      message: { role: "assistant", content, ...thinking, ...calls },
    }),
    images: images.length,
    last: () => ({}),
  };
  return runAnswer(c, request, form, context, wait);
}

function toMessage(message: BodyMessage): Message {
  const calls = message.tool_calls ?? [];
  return {
    role: (message.role ?? "").toLowerCase(),
    content: message.content ?? "",
    ...(message.thinking ? { thinking: message.thinking } : {}),
    ...(message.images?.length ? { images: message.images } : {}),
    ...(calls.length > 0 ? { toolCalls: calls.map(toToolCall) } : {}),
    ...(message.tool_name ? { toolName: message.tool_name } : {}),
    ...(message.tool_call_id ? { toolCallId: message.tool_call_id } : {}),
  };
}

function toToolCall(call: NonNullable<BodyMessage["tool_calls"]>[number]) {
  const { name = "", arguments: given = {} } = call.function ?? {};
  return { ...(call.id ? { id: call.id } : {}), name, arguments: given };
}
