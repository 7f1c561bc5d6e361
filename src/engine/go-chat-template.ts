import { GoTemplate } from "../core/go-template/template.ts";
import { toolStruct } from "../core/go-template/tool-struct.ts";
import type { GoValue } from "../core/go-template/values.ts";
import type { Message } from "../core/inference.ts";

export interface GoConversation {
  readonly messages: readonly Message[];
  /** As the client sent them, in JSON's types. */
  readonly tools?: readonly unknown[];
  readonly think?: boolean | string;
}

/**
 * A conversation as Ollama renders it by a Go TEMPLATE (its template/template.go): one that speaks of `.Messages` gets them all;
 * an older one is executed once a turn, with that turn's System, Prompt and Response, the last time only as far as `.Response`.
 */
export function renderGoConversation(
  source: string,
  { messages, tools = [], think }: GoConversation,
  nowMs: number,
): string {
  const template = withResponse(parsed(source));
  const thinking = {
    Think: think !== undefined && think !== false,
    ThinkLevel: typeof think === "string" ? think : "",
    IsThinkSet: think !== undefined,
  };
  const { system, turns } = collated(messages);
  const context = { nowMs };
  if (template.uses("messages")) {
    const data = {
      System: system,
      Messages: turns.map(messageOf),
      Tools: tools.map((tool) => toolStruct(jsonOf(tool))),
    };
    return template.render({ ...data, Response: "", ...thinking }, context);
  }
  let text = "";
  let turn = { System: "", Prompt: "", Response: "" };
  const finish = (): void => {
    text += template.render({ ...turn, ...thinking }, context);
    turn = { System: "", Prompt: "", Response: "" };
  };
  for (const { role, content } of turns) {
    if (role === "system") {
      if (turn.Prompt !== "" || turn.Response !== "") finish();
      turn.System = content;
    } else if (role === "user") {
      if (turn.Response !== "") finish();
      turn.Prompt = content;
    } else if (role === "assistant") turn.Response = content;
  }
  return text + template.upTo("Response").render({ ...turn, ...thinking }, context);
}

/** A prompt and a suffix, for what stands between them. */
export function renderGoInfill(
  source: string,
  { prompt, suffix }: { readonly prompt: string; readonly suffix: string },
  nowMs: number,
): string {
  const template = withResponse(parsed(source));
  const thinking = { Think: false, ThinkLevel: "", IsThinkSet: false };
  const data = { Prompt: prompt, Suffix: suffix, Response: "", ...thinking };
  return template.render(data, { nowMs });
}

/** Whether the template has a place for a suffix. */
export function hasInfill(source: string): boolean {
  return parsed(source).uses("suffix");
}

/** Neighbours of one role become one message, but for tools' answers; what the system says is collected too. */
function collated(messages: readonly Message[]): {
  readonly system: string;
  readonly turns: readonly Message[];
} {
  const turns: Message[] = [];
  for (const message of messages) {
    const last = turns.at(-1);
    if (last?.role === message.role && message.role !== "tool") {
      turns[turns.length - 1] = { ...last, content: `${last.content}\n\n${message.content}` };
    } else turns.push(message);
  }
  const system = messages.filter(({ role }) => role === "system").map(({ content }) => content);
  return { system: system.join("\n\n"), turns };
}

/** With every field that Ollama's type has. */
function messageOf(message: Message): GoValue {
  return {
    Role: message.role,
    Content: message.content,
    Thinking: message.thinking ?? "",
    Images: [...(message.images ?? [])],
    ToolCalls: (message.toolCalls ?? []).map(({ id, name, arguments: given }, index) => ({
      ID: id ?? "",
      Function: { Index: index, Name: name, Arguments: jsonOf(given) },
    })),
    ToolName: message.toolName ?? "",
    ToolCallID: message.toolCallId ?? "",
  };
}

/** Whatever came as JSON is JSON. */
function jsonOf(value: unknown): GoValue {
  const json: GoValue = JSON.parse(JSON.stringify(value ?? null));
  return json;
}

function withResponse(template: GoTemplate): GoTemplate {
  const isComplete = template.uses("messages") || template.uses("response");
  return isComplete ? template : template.withField("Response");
}

/** A runner has one model, and mostly one template. */
let last: { readonly source: string; readonly template: GoTemplate } | undefined;

function parsed(source: string): GoTemplate {
  if (last?.source !== source) last = { source, template: GoTemplate.parse(source) };
  return last.template;
}
