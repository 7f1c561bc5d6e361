import type { GenerateRequest, Message } from "../../core/inference.ts";
import type { Decoded } from "../json/decode.ts";
import { OBJECT, parseLogprobs } from "../ollama/fields.ts";
import {
  COMMON_FIELDS,
  type CommonBody,
  parseChoices,
  parseEffort,
  parseResponseFormat,
  parseSampling,
} from "./fields.ts";
import { type BodyMessage, MESSAGE_SHAPE, parseMessages } from "./messages.ts";

export const CHAT_SHAPE = {
  name: "openai.ChatCompletionRequest",
  fields: {
    ...COMMON_FIELDS,
    messages: { list: MESSAGE_SHAPE },
    max_completion_tokens: "int",
    logprobs: "bool",
    top_logprobs: "int",
    response_format: OBJECT,
    tools: { list: OBJECT, type: "[]api.Tool" },
    tool_choice: "any",
    reasoning: { name: "openai.Reasoning", fields: { effort: "string" } },
    reasoning_effort: "string",
  },
} as const;

/** What the shape above decodes to. */
interface Body extends CommonBody {
  readonly messages?: readonly BodyMessage[];
  readonly max_completion_tokens?: number;
  readonly logprobs?: boolean;
  readonly top_logprobs?: number;
  readonly response_format?: Readonly<Record<string, unknown>>;
  readonly tools?: readonly unknown[];
  readonly tool_choice?: unknown;
  readonly reasoning?: { readonly effort?: string };
  readonly reasoning_effort?: string;
}

type Asked = Pick<
  GenerateRequest,
  "sampling" | "stop" | "maxTokens" | "renderOnly" | "format" | "logprobs"
>;

export interface ChatAsk {
  readonly model: string;
  readonly stream: boolean;
  readonly includeUsage: boolean;
  readonly messages: readonly Message[];
  readonly tools: readonly unknown[];
  /** Undefined leaves it to the model. */
  readonly think: ReturnType<typeof parseEffort>;
  /** Answers wanted. */
  readonly choices: number;
  /** The rest, as the engine takes it. */
  readonly asked: Asked;
}

/** A chat request, whichever model it is asked of. */
export function parseChat(decoded: Decoded): ChatAsk {
  const body: Body = decoded;
  const maxTokens = body.max_completion_tokens ?? body.max_tokens;
  const format = parseResponseFormat(body.response_format);
  return {
    model: body.model ?? "",
    stream: body.stream ?? false,
    includeUsage: body.stream_options?.include_usage ?? false,
    messages: parseMessages(body.messages ?? []),
    tools: body.tool_choice === "none" ? [] : (body.tools ?? []),
    think: parseEffort(body.reasoning?.effort || body.reasoning_effort),
    choices: parseChoices(body.n),
    asked: {
      ...parseSampling(body),
      ...parseLogprobs(body.logprobs, body.top_logprobs),
      ...(maxTokens === undefined ? {} : { maxTokens }),
      ...(format === undefined ? {} : { format }),
    },
  };
}
