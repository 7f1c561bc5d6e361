import type { RouteContext } from "../deps.ts";
import { newId } from "../dialects/ids.ts";
import type { Usage } from "../dialects/usage.ts";

/** What all objects of one answer tell. */
export interface Head {
  readonly id: string;
  /** Unix seconds. */
  readonly created: number;
  /** As the client named it. */
  readonly model: string;
  readonly choicesPerPrompt: number;
  readonly includeUsage: boolean;
}

export function newHead(
  prefix: string,
  { model, choicesPerPrompt, includeUsage }: Omit<Head, "id" | "created">,
  { random, clock }: Pick<RouteContext, "random" | "clock">,
): Head {
  const created = Math.floor(clock.wallMs() / 1_000);
  return { id: newId(prefix, random), created, model, choicesPerPrompt, includeUsage };
}

const FINGERPRINT = "fp_ollama";

export function headFields(head: Head, object: string): Readonly<Record<string, unknown>> {
  const { id, created, model } = head;
  return { id, object, created, model, system_fingerprint: FINGERPRINT };
}

export function usageFields({ promptTokens, tokens }: Usage): Readonly<Record<string, number>> {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: tokens,
    total_tokens: promptTokens + tokens,
  };
}
