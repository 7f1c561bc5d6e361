import type { GenerateRequest, JsonFormat } from "../../core/inference.ts";
import type { Conversation } from "../dialects/chat-model.ts";
import { parseStop } from "../dialects/stop-words.ts";
import { chooseTools } from "../dialects/tool-choice.ts";
import { HttpError } from "../http/http-error.ts";
import { type Decoded, isRecord } from "../json/decode.ts";
import { NUMBER } from "../json/number.ts";
import { OBJECT } from "../ollama/fields.ts";
import { type BodyMessage, MESSAGE_SHAPE, parseMessages } from "./messages-input.ts";
import { chatTools, parseToolChoice } from "./tools.ts";

export const MESSAGES_SHAPE = {
  name: "anthropic.MessagesRequest",
  fields: {
    model: "string",
    max_tokens: "int",
    messages: { list: MESSAGE_SHAPE },
    system: "any",
    stream: "bool",
    temperature: NUMBER,
    top_p: NUMBER,
    top_k: "int",
    stop_sequences: { list: "string" },
    tools: { list: OBJECT, type: "[]anthropic.Tool" },
    tool_choice: OBJECT,
    thinking: { name: "anthropic.ThinkingConfig", fields: { type: "string" } },
    output_config: { name: "anthropic.OutputConfig", fields: { effort: "string", format: OBJECT } },
    output_format: OBJECT,
  },
} as const;

type Fields = Readonly<Record<string, unknown>>;

/** What the shape above decodes to. */
interface Body {
  readonly model?: string;
  readonly max_tokens?: number;
  readonly messages?: readonly BodyMessage[];
  readonly system?: unknown;
  readonly stream?: boolean;
  readonly temperature?: number;
  readonly top_p?: number;
  readonly top_k?: number;
  readonly stop_sequences?: readonly string[];
  readonly tools?: readonly Fields[];
  readonly tool_choice?: Fields;
  readonly thinking?: { readonly type?: string };
  readonly output_config?: { readonly effort?: string; readonly format?: Fields };
  /** The older name of `output_config.format`. */
  readonly output_format?: Fields;
}

export interface MessagesAsk extends Conversation {
  readonly stream: boolean;
}

/** A request for a message, whichever model it is asked of. `counting`: it has no need of a maximum. */
export function parseMessagesRequest(
  decoded: Decoded,
  { counting }: { readonly counting: boolean },
): MessagesAsk {
  const body: Body = decoded;
  const { model = "", max_tokens: maxTokens = 0, messages = [] } = body;
  if (model === "") throw new HttpError(400, "model is required");
  if (maxTokens <= 0 && !counting) {
    throw new HttpError(400, "max_tokens is required and must be positive");
  }
  if (messages.length === 0) throw new HttpError(400, "messages is required");
  return {
    model,
    stream: body.stream ?? false,
    messages: parseMessages(body.system, messages),
    ...chooseTools(chatTools(body.tools ?? []), parseToolChoice(body.tool_choice)),
    think: parseThinking(body),
    asked: askedOf(body),
  };
}

function askedOf(body: Body): Pick<GenerateRequest, "sampling" | "stop" | "maxTokens" | "format"> {
  const { temperature, top_p: topP, top_k: topK, max_tokens: maxTokens } = body;
  const stop = parseStop(body.stop_sequences, "stop_sequences") ?? [];
  const format = parseFormat(body.output_config?.format ?? body.output_format);
  return {
    sampling: {
      ...(temperature === undefined ? {} : { temperature }),
      ...(topP === undefined ? {} : { topP }),
      ...(topK === undefined ? {} : { topK }),
    },
    ...(stop.length > 0 ? { stop } : {}),
    ...(maxTokens === undefined ? {} : { maxTokens }),
    ...(format === undefined ? {} : { format }),
  };
}

/** The schema of structured outputs (https://docs.claude.com/en/docs/build-with-claude/structured-outputs). */
function parseFormat(format: Fields | undefined): JsonFormat | undefined {
  if (format === undefined) return undefined;
  const { type, schema } = format;
  if (type === "json_schema" && isRecord(schema)) return schema;
  throw new HttpError(400, 'output_config.format must be of type "json_schema", with a schema');
}

const EFFORTS: Readonly<Record<string, Conversation["think"]>> = {
  low: "low",
  medium: "medium",
  high: "high",
  xhigh: "high",
  max: "max",
};

/** How much to think; undefined leaves it to the model. */
function parseThinking({ thinking, output_config: config }: Body): Conversation["think"] {
  if (thinking?.type === "disabled") return false;
  const { effort = "" } = config ?? {};
  if (effort === "") return thinking?.type === "enabled" ? true : undefined;
  const think = Object.hasOwn(EFFORTS, effort) ? EFFORTS[effort] : undefined;
  if (think !== undefined) return think;
  const known = Object.keys(EFFORTS).join(", ");
  throw new HttpError(400, `invalid effort ${JSON.stringify(effort)} (must be one of ${known})`);
}
