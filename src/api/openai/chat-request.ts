import type { Conversation } from "../dialects/chat-model.ts";
import { chooseTools, parseToolChoice } from "../dialects/tool-choice.ts";
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
  readonly tools?: readonly Readonly<Record<string, unknown>>[];
  readonly tool_choice?: unknown;
  readonly reasoning?: { readonly effort?: string };
  readonly reasoning_effort?: string;
}

export interface ChatAsk extends Conversation {
  readonly stream: boolean;
  readonly includeUsage: boolean;
  /** Answers wanted. */
  readonly choices: number;
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
    ...chooseTools(functionsOf(body.tools ?? []), parseToolChoice(body.tool_choice)),
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

/** A tool of another type (custom) is one that OpenAI's models alone know. */
function functionsOf(tools: readonly Readonly<Record<string, unknown>>[]) {
  return tools.filter(({ type }) => (type ?? "function") === "function");
}
