import type { ToolCall } from "../../core/inference.ts";
import type { Random } from "../../core/random.ts";
import { newId } from "../dialects/ids.ts";
import type { Usage } from "../dialects/usage.ts";
import type { ResponsesBody } from "./responses-request.ts";
import { clientNames } from "./responses-tools.ts";

export type Fields = Readonly<Record<string, unknown>>;

/** What a response is told to be from its first event to its last. */
export interface ResponseHead {
  readonly id: string;
  /** Unix seconds. */
  readonly createdAt: number;
  readonly body: ResponsesBody;
}

export interface Ended {
  /** Unix seconds. */
  readonly at: number;
  readonly usage: Usage;
}

/** How it stands; the fields are OpenAI's, those that nobody sets here included. */
export function responseObject(
  { id, createdAt, body }: ResponseHead,
  state: {
    readonly output: readonly Fields[];
    /** Undefined while it is made. */
    readonly ended: Ended | undefined;
  },
): Fields {
  const { effort, summary } = body.reasoning ?? {};
  const { output, ended } = state;
  return {
    id,
    object: "response",
    created_at: createdAt,
    completed_at: ended?.at ?? null,
    // Also of an answer that was cut, as in Ollama: some clients of OpenAI's take nothing from one that is incomplete.
    status: ended ? "completed" : "in_progress",
    incomplete_details: null,
    model: body.model,
    previous_response_id: null,
    instructions: body.instructions ?? null,
    output,
    error: null,
    tools: body.tools ?? [],
    tool_choice: body.tool_choice ?? "auto",
    truncation: body.truncation ?? "disabled",
    parallel_tool_calls: true,
    text: { format: body.text?.format ?? { type: "text" } },
    top_p: body.top_p ?? 1,
    presence_penalty: 0,
    frequency_penalty: 0,
    top_logprobs: body.top_logprobs ?? 0,
    temperature: body.temperature ?? 1,
    reasoning: effort || summary ? { effort: effort ?? null, summary: summary ?? null } : null,
    usage: ended ? usageFields(ended.usage) : null,
    max_output_tokens: body.max_output_tokens ?? null,
    max_tool_calls: null,
    store: false,
    background: body.background ?? false,
    service_tier: "default",
    metadata: {},
    safety_identifier: null,
    prompt_cache_key: null,
  };
}

function usageFields({ promptTokens, tokens }: Usage): Fields {
  return {
    input_tokens: promptTokens,
    output_tokens: tokens,
    total_tokens: promptTokens + tokens,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens_details: { reasoning_tokens: 0 },
  };
}

export function outputText(text: string, logprobs: readonly Fields[]): Fields {
  return { type: "output_text", text, annotations: [], logprobs };
}

export function summaryText(text: string): Fields {
  return { type: "summary_text", text };
}

/** The parts of a response's output, begun and whole. */
export function messageItem(id: string, content: readonly Fields[]): Fields {
  const status = content.length === 0 ? "in_progress" : "completed";
  return { id, type: "message", status, role: "assistant", content };
}

/** What was thought goes into the summary, and as it is into what the client sends back. */
export function reasoningItem(id: string, text: string | undefined): Fields {
  const summary = text === undefined ? [] : [summaryText(text)];
  return { id, type: "reasoning", summary, encrypted_content: text ?? "" };
}

/** Of one of the request's `tools`. */
export function callItem(
  id: string,
  call: ToolCall,
  state: "in_progress" | "completed",
  { tools = [] }: Pick<ResponsesBody, "tools">,
): Fields {
  const whole = state === "completed" ? JSON.stringify(call.arguments) : "";
  return {
    ...{ id, type: "function_call", status: state, call_id: call.id ?? id },
    ...{ ...clientNames(call.name, tools), arguments: whole },
  };
}

export function newItemId(kind: "message" | "reasoning" | "call", random: Random): string {
  return newId({ message: "msg_", reasoning: "rs_", call: "fc_" }[kind], random);
}
