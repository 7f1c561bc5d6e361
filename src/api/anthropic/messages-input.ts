import type { Message, ToolCall } from "../../core/inference.ts";
import { joinTexts } from "../dialects/content.ts";
import { HttpError } from "../http/http-error.ts";
import { isRecord } from "../json/decode.ts";
import { goTypeOf } from "../json/go-type.ts";
import { isBase64 } from "../ollama/fields.ts";

export const MESSAGE_SHAPE = {
  name: "anthropic.MessageParam",
  fields: { role: "string", content: "any" },
} as const;

export interface BodyMessage {
  readonly role?: string;
  readonly content?: unknown;
}

type Block = Readonly<Record<string, unknown>>;

/** The conversation as templates see it: the system prompt first, and each result of a tool a message of its own. */
export function parseMessages(
  system: unknown,
  messages: readonly BodyMessage[],
): readonly Message[] {
  const names = new Map<string, string>();
  const prompt = textOf(system, "system");
  return [
    ...(prompt === "" ? [] : [{ role: "system", content: prompt }]),
    ...messages.flatMap(({ role = "", content }) => {
      const turn = parseTurn(content, names);
      return messagesOf(role.toLowerCase(), turn);
    }),
  ];
}

/** What the blocks of one message hold, whatever their order. */
interface Turn {
  readonly texts: string[];
  readonly images: string[];
  readonly calls: ToolCall[];
  readonly results: Message[];
  thinking: string;
}

/** Results come before what the user says to them. */
function messagesOf(role: string, turn: Turn): readonly Message[] {
  const { texts, images, calls, results, thinking } = turn;
  const isOnlyResults = results.length > 0 && texts.length + images.length + calls.length === 0;
  if (isOnlyResults && thinking === "") return results;
  const message = {
    role,
    content: joinTexts(texts),
    ...(thinking === "" ? {} : { thinking }),
    ...(images.length > 0 ? { images } : {}),
    ...(calls.length > 0 ? { toolCalls: calls } : {}),
  };
  return [...results, message];
}

/** `names` tells the tool of each call so far, and learns those of this message. */
function parseTurn(content: unknown, names: Map<string, string>): Turn {
  const turn: Turn = { texts: [], images: [], calls: [], results: [], thinking: "" };
  for (const block of blocksOf(content, "content")) {
    const { type } = block;
    if (type === "text") turn.texts.push(textIn(block, "text"));
    // What a search for tools has found: the tool itself stands among the request's.
    else if (type === "tool_reference") turn.texts.push(textIn(block, "tool_name"));
    else if (type === "image") turn.images.push(parseImage(block["source"]));
    else if (type === "document") turn.texts.push(...documentTexts(block["source"]));
    else if (type === "thinking") turn.thinking += textIn(block, "thinking");
    else if (type === "tool_use") {
      const call = parseToolUse(block);
      names.set(call.id, call.name);
      turn.calls.push(call);
    } else if (type === "tool_result") turn.results.push(parseToolResult(block, names));
    // Others are what Anthropic's own servers have made of their tools.
  }
  return turn;
}

/** Of text files. PDFs are left out as in Ollama: to refuse one would end a conversation that it stays part of. */
function documentTexts(source: unknown): readonly string[] {
  if (!isRecord(source)) throw refusal("invalid document source");
  if (source["type"] === "text") return [textIn(source, "data")];
  return source["type"] === "content" ? [textOf(source["content"], "content")] : [];
}

function parseToolUse(block: Block): ToolCall & { readonly id: string } {
  const id = textIn(block, "id");
  const name = textIn(block, "name");
  if (id === "") throw refusal("tool_use block missing required 'id' field");
  if (name === "") throw refusal("tool_use block missing required 'name' field");
  const given = block["input"] ?? {};
  if (!isRecord(given)) throw refusal("the 'input' of a tool_use block must be an object");
  return { id, name, arguments: given };
}

function parseToolResult(block: Block, names: ReadonlyMap<string, string>): Message {
  const id = textIn(block, "tool_use_id");
  const toolName = names.get(id);
  const { texts, images } = parseTurn(block["content"], new Map());
  return {
    role: "tool",
    content: joinTexts(texts),
    ...(images.length > 0 ? { images } : {}),
    ...(toolName === undefined ? {} : { toolName }),
    ...(id === "" ? {} : { toolCallId: id }),
  };
}

function parseImage(source: unknown): string {
  if (!isRecord(source)) throw refusal("invalid image source");
  const { type, data } = source;
  if (type !== "base64") {
    const what = typeof type === "string" ? type : goTypeOf(type);
    throw refusal(`invalid image source type: ${what}. Only base64 images are supported.`);
  }
  if (typeof data !== "string" || data === "" || !isBase64(data)) {
    throw refusal("invalid base64 image data");
  }
  return data;
}

/** The text of a system prompt: itself, or that of its blocks. */
function textOf(value: unknown, field: string): string {
  const texts = blocksOf(value, field).filter(({ type }) => type === "text");
  return joinTexts(texts.map((block) => textIn(block, "text")));
}

/** A text is a block of text. */
function blocksOf(value: unknown, field: string): readonly Block[] {
  if (value === undefined || value === null) return [];
  if (typeof value === "string") return [{ type: "text", text: value }];
  if (Array.isArray(value) && value.every(isRecord)) return value;
  throw refusal(`'${field}' must be a string or a list of blocks`);
}

/** A field that is left out is the empty text, as Go has it. */
function textIn(block: Block, field: string): string {
  const value = block[field] ?? "";
  if (typeof value === "string") return value;
  throw refusal(`'${field}' must be a string`);
}

function refusal(message: string): HttpError {
  return new HttpError(400, message);
}
