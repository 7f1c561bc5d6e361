import type { Message, ToolCall } from "../../core/inference.ts";
import { joinTexts, parseArguments, parseAudio, parseImage } from "../dialects/content.ts";
import { HttpError } from "../http/http-error.ts";
import { isRecord } from "../json/decode.ts";
import { memberName } from "./responses-tools.ts";

type Item = Readonly<Record<string, unknown>>;

/** Where what is wrong stands. */
const PARAM = "input";

/** The conversation that `instructions` and `input` make, a text or a list of items. */
export function parseInput(instructions: string, input: unknown): readonly Message[] {
  const conversation = new Conversation();
  if (instructions !== "") conversation.say({ role: "system", content: instructions });
  if (typeof input === "string") conversation.say({ role: "user", content: input });
  else for (const item of itemsOf(input)) take(conversation, item);
  return conversation.end();
}

function itemsOf(input: unknown): readonly unknown[] {
  if (!Array.isArray(input)) throw refusal("input must be a string or array");
  if (input.length === 0) throw refusal("[] is too short - 'input'");
  return input;
}

/** Items are finer than messages: what a model thought and the calls that it made belong to one turn of its own. */
class Conversation {
  readonly #messages: Message[] = [];
  readonly #names = new Map<string, string>();
  #thinking = "";

  say(message: Message): void {
    const thinking = message.role === "assistant" ? this.#takeThinking() : {};
    this.#messages.push({ ...message, ...thinking });
  }

  think(text: string): void {
    this.#thinking = text;
  }

  call(call: ToolCall): void {
    if (call.id !== undefined) this.#names.set(call.id, call.name);
    const last = this.#messages.at(-1);
    const isOwnTurn = last?.role === "assistant";
    const turn = isOwnTurn ? last : { role: "assistant", content: "" };
    if (isOwnTurn) this.#messages.pop();
    const toolCalls = [...(turn.toolCalls ?? []), call];
    this.#messages.push({ ...turn, ...this.#takeThinking(), toolCalls });
  }

  result(callId: string, content: Content): void {
    const toolName = this.#names.get(callId);
    this.say({
      role: "tool",
      ...content,
      ...(toolName === undefined ? {} : { toolName }),
      ...(callId === "" ? {} : { toolCallId: callId }),
    });
  }

  end(): readonly Message[] {
    if (this.#thinking !== "") this.say({ role: "assistant", content: "" });
    return this.#messages;
  }

  #takeThinking(): { readonly thinking?: string } {
    const thinking = this.#thinking;
    this.#thinking = "";
    return thinking === "" ? {} : { thinking };
  }
}

function take(conversation: Conversation, item: unknown): void {
  if (!isRecord(item)) throw refusal("an input item must be an object");
  const type = textIn(item, "type") || ("role" in item ? "message" : "");
  if (type === "") throw refusal("input item missing required 'type' field");
  if (type === "message") {
    const role = textIn(item, "role").toLowerCase();
    conversation.say({ role, ...parseContent(item["content"]) });
  } else if (type === "reasoning") {
    conversation.think(textIn(item, "encrypted_content"));
  } else if (type === "function_call") {
    const id = textIn(item, "call_id");
    const [namespace, name] = [textIn(item, "namespace"), textIn(item, "name")];
    const given = parseArguments(textIn(item, "arguments"), PARAM);
    const known = namespace === "" ? name : memberName(namespace, name);
    conversation.call({ ...(id ? { id } : {}), name: known, arguments: given });
  } else if (type === "function_call_output") {
    conversation.result(textIn(item, "call_id"), parseContent(item["output"]));
  } else if (type === "item_reference") {
    // What the AI SDK sends unless it is told that nothing is stored.
    throw refusal("no items are stored here to refer to: send them whole, with 'store': false");
  } else if (type !== "web_search_call") {
    throw refusal(`unknown input item type: ${JSON.stringify(type)}`);
  }
}

interface Content {
  readonly content: string;
  readonly images?: readonly string[];
}

/** A text, or parts whose texts stand one below the other. */
function parseContent(content: unknown): Content {
  if (content === undefined || content === null) return { content: "" };
  if (typeof content === "string") return { content };
  if (!Array.isArray(content)) throw refusal("content must be a string or array");
  const texts: string[] = [];
  const images: string[] = [];
  for (const part of content) {
    if (!isRecord(part)) throw refusal("a content part must be an object");
    const type = textIn(part, "type");
    if (type === "input_text" || type === "output_text") texts.push(textIn(part, "text"));
    else if (type === "input_image") images.push(parseImage(part["image_url"], PARAM));
    else if (type === "input_audio") images.push(parseAudio(part["input_audio"], PARAM));
    else if (type === "input_file") throw refusal("file inputs are not currently supported");
    else throw refusal(`unknown content type: ${type}`);
  }
  return { content: joinTexts(texts), ...(images.length > 0 ? { images } : {}) };
}

/** A field that is left out is the empty text, as Go has it. */
function textIn(item: Item, field: string): string {
  const value = item[field] ?? "";
  if (typeof value === "string") return value;
  throw refusal(`'${field}' must be a string`);
}

function refusal(message: string): HttpError {
  return new HttpError(400, message, { param: PARAM });
}
