import type { InferenceErrorCode } from "../../core/errors.ts";
import type {
  GenerateEvent,
  GenerateInput,
  JsonFormat,
  Message,
  Sampling,
  Tokens,
  TokensRequest,
} from "../../core/inference.ts";

/** What the engine and a runner tell each other over Node's IPC channel (structured clones). */

/** Which model, and how: decided by the engine, in force for the runner's life. */
export interface RunnerSpec {
  readonly modelPath: string;
  readonly adapterPaths: readonly string[];
  /** Of a model that sees: then llama.cpp's mtmd runs it, on the processor. */
  readonly projectorPath: string | undefined;
  /** The TEMPLATE layer. */
  readonly template: string | undefined;
  readonly renderer: string | undefined;
  readonly parser: string | undefined;
  readonly system: string | undefined;
  readonly messages: readonly Message[];
  /** What was thought for earlier answers is cut off them. */
  readonly dropsThinkTags: boolean;
  readonly sequences: number;
  /** Unset: the node's default, bounded by what the model was trained on. */
  readonly numCtx: number | undefined;
  readonly contextLengthDefault: number;
  readonly numBatch: number | undefined;
  readonly numGpu: number | undefined;
  readonly numThread: number | undefined;
  readonly useMmap: boolean | undefined;
}

/** What loading will take, told before it begins. */
export interface RunnerNeeds {
  readonly contextLength: number;
  readonly ramBytes: number;
  readonly vramBytes: number;
  readonly modelBytes: number;
}

export interface GenerateJob {
  readonly input: GenerateInput;
  readonly sampling: Required<Sampling>;
  readonly stop: readonly string[];
  readonly format: JsonFormat | undefined;
  readonly maxTokens: number;
  readonly truncate: boolean;
  readonly shift: boolean;
  readonly logprobs: { readonly top: number } | undefined;
  readonly renderOnly: boolean;
  readonly returnContext: boolean;
  readonly resume: { readonly text: string; readonly tokens: number } | undefined;
}

export interface EmbedJob {
  readonly inputs: readonly string[];
  readonly truncate: boolean;
}

export type TokensJob = Pick<TokensRequest, "of">;

export type ToRunner =
  | { readonly type: "inspect"; readonly spec: RunnerSpec }
  | { readonly type: "load" }
  | { readonly type: "generate"; readonly id: number; readonly job: GenerateJob }
  | { readonly type: "embed"; readonly id: number; readonly job: EmbedJob }
  | { readonly type: "tokens"; readonly id: number; readonly job: TokensJob }
  | { readonly type: "cancel"; readonly id: number }
  /** The reader has taken so many events: as many more may be sent. */
  | { readonly type: "credit"; readonly id: number; readonly events: number }
  | { readonly type: "ping" };

/**
 * What a generation sends; `loadMs` is the engine's to say. "loading" that it reads a long prompt, or looks at pictures, its own
 * or another's.
 */
export type JobEvent =
  | Extract<GenerateEvent, { type: "loading" | "rendered" | "text" | "end" }>
  | Omit<Extract<GenerateEvent, { type: "started" }>, "loadMs">;
export type TextEvent = Extract<GenerateEvent, { type: "text" }>;

export interface Failure {
  readonly code: InferenceErrorCode;
  readonly message: string;
}

export type FromRunner =
  | { readonly type: "inspected"; readonly needs: RunnerNeeds }
  | { readonly type: "progress"; readonly fraction: number }
  | { readonly type: "loaded" }
  /** Instead of "inspected" or "loaded". */
  | { readonly type: "notLoaded"; readonly message: string }
  | { readonly type: "event"; readonly id: number; readonly event: JobEvent }
  | { readonly type: "vector"; readonly id: number; readonly vector: Float32Array }
  | { readonly type: "embedded"; readonly id: number; readonly promptTokens: number }
  | ({ readonly type: "tokens"; readonly id: number } & Omit<Tokens, "loadMs">)
  | { readonly type: "failed"; readonly id: number; readonly failure: Failure }
  /** The last word about a job, also of a cancelled one: its slot is free. */
  | { readonly type: "finished"; readonly id: number }
  | { readonly type: "pong" }
  | { readonly type: "log"; readonly level: "debug" | "warn"; readonly text: string };

/** Events that may be on their way to a reader who has not taken them; then texts are put together instead. */
export const EVENTS_IN_FLIGHT_MAX = 32;
/** Tokens that a generation may be ahead of its reader; then it waits. */
export const TOKENS_AHEAD_MAX = 512;

/**
 * What the runner said in one turn of its event loop. Both ends are ours and run the same code, so a message's tag vouches for
 * the rest of it.
 */
export function isFromRunner(messages: unknown): messages is readonly FromRunner[] {
  return Array.isArray(messages) && messages.every(hasType);
}

export function isToRunner(message: unknown): message is ToRunner {
  return hasType(message);
}

function hasType(message: unknown): boolean {
  return typeof message === "object" && message !== null && "type" in message;
}
