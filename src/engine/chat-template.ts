import { InferenceError, messageOf } from "../core/errors.ts";
import type { GenerateInput, Message } from "../core/inference.ts";
import { dateText } from "../core/jinja/strftime.ts";
import { Template } from "../core/jinja/template.ts";
import { contentOf, type TemplateTraits, traitsOf } from "../core/jinja/traits.ts";
import { type OutputFormat, outputFormatOf } from "../core/output-format.ts";
import { withoutEarlierThinking } from "../core/think-tags.ts";
import { arrangedTurns } from "./arranged-turns.ts";
import { continued } from "./continued-answer.ts";
import { hasInfill, renderGoConversation, renderGoInfill } from "./go-chat-template.ts";
import { linkedCalls } from "./linked-calls.ts";
import { toldCalls } from "./told-calls.ts";

type Conversation = GenerateInput & { readonly kind: "messages" };

/** A model as a template sees it. */
export interface TemplateModel {
  /** The GGUF's `tokenizer.chat_template`. */
  readonly jinja: string | undefined;
  /** The TEMPLATE layer, where it is to be used. */
  readonly go: string | undefined;
  readonly bosToken: string;
  readonly eosToken: string;
}

/**
 * The conversation as the model gets it: the SYSTEM that it begins with, else the model's own; then the MESSAGE layer (unless
 * the tokens of an earlier answer stand in for it). Ollama's chat puts the layer before a request's SYSTEM; many templates take
 * a SYSTEM at the beginning only, and its generate does as here.
 */
export function withLayers(
  input: Conversation,
  layers: Layers & { readonly dropsThinkTags: boolean },
): readonly Message[] {
  const messages = layered(input, layers);
  return layers.dropsThinkTags ? withoutEarlierThinking(messages) : messages;
}

interface Layers {
  readonly system?: string | undefined;
  readonly messages: readonly Message[];
}

function layered(input: Conversation, layers: Layers): readonly Message[] {
  const examples = input.context ? [] : layers.messages;
  const asked = input.messages.map(named);
  const [first, ...others] = asked;
  if (first?.role === "system") return [first, ...examples, ...others];
  const messages = [...examples, ...asked];
  if (!layers.system || messages[0]?.role === "system") return messages;
  return [{ role: "system", content: layers.system }, ...messages];
}

/**
 * OpenAI's newer name for the system is "developer". Most templates do not know it and would drop or refuse what it says;
 * llama.cpp renames it as well.
 */
function named(message: Message): Message {
  return message.role === "developer" ? { ...message, role: "system" } : message;
}

/**
 * Renders with the request's Go template, else the model's TEMPLATE layer, else the GGUF's Jinja template; the assistant's turn is
 * begun, with its words if the conversation ends with some. A model without any gets Ollama's default template `{{ .Prompt }}`: the users' words alone.
 */
export function renderConversation(
  model: TemplateModel,
  messages: readonly Message[],
  options: Pick<Conversation, "tools" | "think" | "template">,
  nowMs: number,
): string {
  const go = options.template ?? model.go;
  if (go === undefined && !model.jinja) return plainPrompt(messages);
  return rendered(() =>
    go === undefined
      ? renderJinja(model, messages, options, nowMs)
      : renderGoConversation(go, { ...options, messages }, nowMs),
  );
}

/** By the request's template, else by the model's TEMPLATE layer; undefined when that has no place for a suffix. */
export function renderInfill(
  model: Pick<TemplateModel, "go">,
  { prompt, suffix, template }: Infill,
  nowMs: number,
): string | undefined {
  const own = model.go !== undefined && hasInfill(model.go) ? model.go : undefined;
  const go = template ?? own;
  if (go === undefined) return undefined;
  return rendered(() => renderGoInfill(go, { prompt, suffix }, nowMs));
}

interface Infill {
  readonly prompt: string;
  readonly suffix: string;
  readonly template: string | undefined;
}

function rendered(render: () => string): string {
  try {
    return render();
  } catch (error) {
    throw new InferenceError(
      "INVALID_REQUEST",
      `the model's chat template cannot render this conversation: ${messageOf(error)}`,
    );
  }
}

function renderJinja(
  { jinja = "", bosToken, eosToken }: TemplateModel,
  messages: readonly Message[],
  { tools, think }: Pick<Conversation, "tools" | "think">,
  nowMs: number,
): string {
  const { template, traits, output } = parsed(jinja);
  const begun = messages.length > 1 ? begunAnswer(messages) : undefined;
  const before = begun ? messages.slice(0, -1) : messages;
  const linked = linkedCalls(before, { renames: traits.nineCharIds });
  const turns = arrangedTurns(toldCalls(linked, traits), traits);
  const prompt = template.render({
    messages: turns.map((message) => templateMessage(message, traits)),
    ...(tools?.length && { tools }),
    add_generation_prompt: true,
    ...{ bos_token: bosToken, eos_token: eosToken },
    strftime_now: (format: unknown) => dateText(`${format}`, new Date(nowMs)),
    ...thinking(think),
  });
  return begun ? continued(prompt, begun, output) : prompt;
}

/** The assistant's words that a conversation ends with: the model goes on from there. A call is complete. */
export function begunAnswer(messages: readonly Message[]): Message | undefined {
  const last = messages.at(-1);
  return last?.role === "assistant" && !last.toolCalls?.length ? last : undefined;
}

function plainPrompt(messages: readonly Message[]): string {
  return messages
    .filter((message) => message.role !== "system")
    .map((message) => message.content)
    .join("\n");
}

/** Each family has its own word for it: Qwen and GLM, DeepSeek and Granite, gpt-oss. */
function thinking(think: Conversation["think"]): Readonly<Record<string, unknown>> {
  if (think === undefined) return {};
  const enabled = think !== false;
  const effort = typeof think === "string" ? { reasoning_effort: think } : {};
  return { enable_thinking: enabled, thinking: enabled, ...effort };
}

/** As the templates of transformers expect it: OpenAI's shape, but arguments are an object for most. */
function templateMessage(
  message: Message,
  traits: TemplateTraits,
): Readonly<Record<string, unknown>> {
  const asParts = message.role === "system" ? traits.systemAsParts : traits.contentAsParts;
  const calls = message.toolCalls?.length;
  const isTooMuch = traits.callsWithoutContent && message.thinking && calls;
  const isNothing = traits.callsWithNull && message.content === "" && calls;
  return {
    role: message.role,
    content: isNothing ? null : contentOf(isTooMuch ? "" : message.content, asParts),
    ...(message.thinking && {
      thinking: message.thinking,
      reasoning_content: message.thinking,
    }),
    ...(message.toolCalls?.length && {
      tool_calls: message.toolCalls.map((call) => ({
        ...(call.id !== undefined && { id: call.id }),
        type: "function",
        function: {
          name: call.name,
          arguments: traits.argumentsAsText ? JSON.stringify(call.arguments) : call.arguments,
        },
      })),
    }),
    ...(message.toolName && { name: message.toolName, tool_name: message.toolName }),
    ...(message.toolCallId && { tool_call_id: message.toolCallId }),
  };
}

/** A runner has one model, so one template; parsing it takes milliseconds, rendering it microseconds. */
let last: Parsed | undefined;

interface Parsed {
  readonly source: string;
  readonly template: Template;
  readonly traits: TemplateTraits;
  readonly output: OutputFormat;
}

function parsed(source: string): Parsed {
  if (last?.source !== source) {
    const template = new Template(source);
    last = { source, template, traits: traitsOf(template, source), output: outputFormatOf(source) };
  }
  return last;
}
