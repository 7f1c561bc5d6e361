import type { Conversation } from "../dialects/chat-model.ts";
import { chooseTools, parseToolChoice } from "../dialects/tool-choice.ts";
import type { Decoded } from "../json/decode.ts";
import { NUMBER } from "../json/number.ts";
import { OBJECT, parseLogprobs } from "../ollama/fields.ts";
import { parseEffort, parseResponseFormat } from "./fields.ts";
import { parseInput } from "./responses-input.ts";
import { chatTools } from "./responses-tools.ts";

export const RESPONSES_SHAPE = {
  name: "openai.ResponsesRequest",
  fields: {
    model: "string",
    input: "any",
    instructions: "string",
    tools: { list: OBJECT, type: "[]openai.ResponsesTool" },
    tool_choice: "any",
    stream: "bool",
    temperature: NUMBER,
    top_p: NUMBER,
    max_output_tokens: "int",
    include: "any",
    top_logprobs: "int",
    reasoning: {
      name: "openai.ResponsesReasoning",
      fields: { effort: "string", summary: "string" },
    },
    text: { name: "openai.ResponsesText", fields: { format: OBJECT } },
    truncation: "string",
    background: "bool",
  },
} as const;

/** What the shape above decodes to. */
export interface ResponsesBody {
  readonly model?: string;
  readonly input?: unknown;
  readonly instructions?: string;
  readonly tools?: readonly unknown[];
  readonly tool_choice?: unknown;
  readonly stream?: boolean;
  readonly temperature?: number;
  readonly top_p?: number;
  readonly max_output_tokens?: number;
  readonly include?: unknown;
  readonly top_logprobs?: number;
  readonly reasoning?: { readonly effort?: string; readonly summary?: string };
  readonly text?: { readonly format?: Readonly<Record<string, unknown>> };
  readonly truncation?: string;
  readonly background?: boolean;
}

export interface ResponsesAsk extends Conversation {
  /** As it was sent: much of it stands in the answer. */
  readonly body: ResponsesBody;
}

const TEMPERATURE_DEFAULT = 1;
/** What `include` asks for, among things that are not to be had here. */
const LOGPROBS = "message.output_text.logprobs";

/** A request for a response, whichever model it is asked of. */
export function parseResponses(decoded: Decoded): ResponsesAsk {
  const body: ResponsesBody = decoded;
  const { top_p: topP, max_output_tokens: maxTokens, include } = body;
  const hasLogprobs = Array.isArray(include) && include.includes(LOGPROBS);
  const format = parseResponseFormat(formatAsInChat(body.text?.format), "text.format");
  return {
    body,
    model: body.model ?? "",
    messages: parseInput(body.instructions ?? "", body.input),
    ...chooseTools(chatTools(body.tools ?? []), parseToolChoice(body.tool_choice)),
    think: parseEffort(body.reasoning?.effort, "reasoning.effort"),
    asked: {
      sampling: {
        temperature: body.temperature ?? TEMPERATURE_DEFAULT,
        ...(topP === undefined ? {} : { topP }),
      },
      ...parseLogprobs(hasLogprobs, body.top_logprobs),
      ...(maxTokens === undefined ? {} : { maxTokens }),
      ...(format === undefined ? {} : { format }),
    },
  };
}

/** Here the schema stands beside its type. */
function formatAsInChat(
  format: Readonly<Record<string, unknown>> | undefined,
): Readonly<Record<string, unknown>> | undefined {
  return format?.["type"] === "json_schema" ? { ...format, json_schema: format } : format;
}
