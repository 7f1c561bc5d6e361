import type { Message, ToolCall } from "../../core/inference.ts";
import { joinTexts, parseArguments, parseAudio, parseImage } from "../dialects/content.ts";
import { HttpError } from "../http/http-error.ts";
import { isRecord } from "../json/decode.ts";
import { goTypeOf } from "../json/go-type.ts";

/** Where what is wrong stands. */
const PARAM = "messages";

export const MESSAGE_SHAPE = {
  name: "openai.Message",
  fields: {
    role: "string",
    content: "any",
    reasoning: "string",
    tool_calls: {
      list: {
        name: "openai.ToolCall",
        fields: {
          id: "string",
          function: {
            name: "openai.ToolCallFunction",
            fields: { name: "string", arguments: "string" },
          },
        },
      },
    },
    tool_call_id: "string",
  },
} as const;

interface BodyToolCall {
  readonly id?: string;
  readonly function?: { readonly name?: string; readonly arguments?: string };
}

export interface BodyMessage {
  readonly role?: string;
  readonly content?: unknown;
  readonly reasoning?: string;
  readonly tool_calls?: readonly BodyToolCall[];
  readonly tool_call_id?: string;
}

/** Messages as templates see them. A list of parts is one message, its texts one below the other. */
export function parseMessages(messages: readonly BodyMessage[]): readonly Message[] {
  if (messages.length === 0) throw refusal("[] is too short - 'messages'");
  const names = toolNames(messages);
  return messages.map((message) => {
    const { role = "", reasoning, tool_calls: calls, tool_call_id: callId } = message;
    const saysOther = calls !== undefined || Boolean(reasoning);
    const { text, images } = parseContent(message.content, saysOther);
    const toolName = callId ? names.get(callId) : undefined;
    return {
      role: role.toLowerCase(),
      content: text,
      ...(reasoning ? { thinking: reasoning } : {}),
      ...(images.length > 0 ? { images } : {}),
      ...(calls?.length ? { toolCalls: calls.map(parseToolCall) } : {}),
      ...(toolName ? { toolName } : {}),
      ...(callId ? { toolCallId: callId } : {}),
    };
  });
}

/** A call's id → its function's name: results tell only the id. */
function toolNames(messages: readonly BodyMessage[]): ReadonlyMap<string, string> {
  const calls = messages.flatMap((message) => message.tool_calls ?? []);
  return new Map(calls.map((call) => [call.id ?? "", call.function?.name ?? ""]));
}

interface Content {
  readonly text: string;
  /** Base64. */
  readonly images: readonly string[];
}

function parseContent(content: unknown, saysOther: boolean): Content {
  if (typeof content === "string") return { text: content, images: [] };
  if (!Array.isArray(content)) {
    // Content is optional only beside tool calls, and thoughts behind which nothing was said.
    if (content === undefined && saysOther) return { text: "", images: [] };
    throw refusal(`invalid message content type: ${goTypeOf(content)}`);
  }
  const texts: string[] = [];
  const images: string[] = [];
  for (const part of content) {
    if (!isRecord(part)) throw refusal("invalid message format");
    if (part["type"] === "text" && typeof part["text"] === "string") texts.push(part["text"]);
    else if (part["type"] === "image_url") images.push(parseImage(part["image_url"], PARAM));
    else if (part["type"] === "input_audio") images.push(parseAudio(part["input_audio"], PARAM));
    else throw refusal("invalid message format");
  }
  return { text: joinTexts(texts), images };
}

function parseToolCall({ id, function: called = {} }: BodyToolCall): ToolCall {
  const { name = "", arguments: text = "" } = called;
  return { ...(id ? { id } : {}), name, arguments: parseArguments(text, PARAM) };
}

function refusal(message: string): HttpError {
  return new HttpError(400, message, { param: PARAM });
}
