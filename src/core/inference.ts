import type { ManifestDigest } from "./digest.ts";
import type { NodeId } from "./node-id.ts";
import type { OutputFormat } from "./output-format.ts";

export interface ToolCall {
  readonly id?: string;
  readonly name: string;
  readonly arguments: Readonly<Record<string, unknown>>;
}

export interface Message {
  /** Lower case; any role is accepted, templates decide. */
  readonly role: string;
  readonly content: string;
  readonly thinking?: string;
  /** Base64. */
  readonly images?: readonly string[];
  readonly toolCalls?: readonly ToolCall[];
  readonly toolName?: string;
  readonly toolCallId?: string;
}

/** What forces a reload when it changes; unset means the model's PARAMETER, then the node's default. */
export interface RunnerOptions {
  readonly numCtx?: number;
  readonly numBatch?: number;
  readonly numGpu?: number;
  readonly mainGpu?: number;
  readonly useMmap?: boolean;
  readonly numThread?: number;
}

/** Unset means the model's PARAMETER, then Ollama's default (see `SAMPLING_DEFAULTS`). */
export interface Sampling {
  readonly seed?: number;
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly typicalP?: number;
  readonly repeatLastN?: number;
  readonly repeatPenalty?: number;
  readonly presencePenalty?: number;
  readonly frequencyPenalty?: number;
  readonly numKeep?: number;
}

/** Ollama 0.33's defaults. A seed of -1 is a random one. */
export const SAMPLING_DEFAULTS: Required<Sampling> = {
  seed: -1,
  temperature: 0.8,
  topK: 40,
  topP: 0.9,
  minP: 0,
  typicalP: 1,
  repeatLastN: 64,
  repeatPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  numKeep: 4,
};

/**
 * Messages are rendered where the model is, by its own template, with its SYSTEM and MESSAGE layers applied there.
 * A prompt is taken as it is (raw).
 */
export type GenerateInput =
  | {
      readonly kind: "messages";
      readonly messages: readonly Message[];
      /** Tool definitions as the client sent them. */
      readonly tools?: readonly unknown[];
      readonly think?: boolean | "low" | "medium" | "high" | "max";
      /** A Go template in place of the model's own (POST /api/generate `template`). */
      readonly template?: string;
      /** Tokens of an earlier answer, put before the prompt; then the MESSAGE layer is left out. */
      readonly context?: readonly number[];
    }
  | {
      readonly kind: "prompt";
      readonly prompt: string;
      /** The model writes what stands between them. */
      readonly suffix?: string;
      /** A Go template in place of the model's own, which has a place for both. */
      readonly template?: string;
      /** Tokens of an earlier answer, put before the prompt. */
      readonly context?: readonly number[];
      /** Base64. Each stands where the prompt says [img-N], the first one's N being 0; the others before it. */
      readonly images?: readonly string[];
    };

/** "json" or a JSON Schema. */
export type JsonFormat = "json" | Readonly<Record<string, unknown>>;

export interface GenerateRequest {
  readonly requestId: string;
  /** The digest, never the name: a name may be moved while the request waits. */
  readonly model: ManifestDigest;
  readonly input: GenerateInput;
  readonly runner: RunnerOptions;
  readonly sampling: Sampling;
  /** In place of the model's own stop words when present. */
  readonly stop?: readonly string[];
  readonly format?: JsonFormat;
  /** Negative or unset: up to ten times the context. */
  readonly maxTokens?: number;
  /** Infinity: for ever; 0: unload after this request; unset: the node's default. */
  readonly keepAliveMs?: number;
  /** Drop the oldest turns of a conversation that is too long (default true); false is an error then. */
  readonly truncate?: boolean;
  /** Make room by dropping the oldest tokens when the context is full (default true); false ends with "length". */
  readonly shift?: boolean;
  readonly logprobs?: { readonly top: number };
  /** Return the rendered prompt instead of running it. */
  readonly renderOnly?: boolean;
  /** Return the conversation's tokens at the end (POST /api/generate). */
  readonly returnContext?: boolean;
  /** What another replica has already sent to the client: never sent again, counted once. */
  readonly resume?: { readonly text: string; readonly tokens: number };
}

/** OpenAI's limit, and Ollama's. */
export const LOGPROBS_TOP_MAX = 20;

export interface TokenLogprob {
  readonly token: string;
  readonly logprob: number;
  /** UTF-8. */
  readonly bytes: readonly number[];
}
export interface Logprob extends TokenLogprob {
  /** Most likely first. */
  readonly top?: readonly TokenLogprob[];
}

/**
 * `text` holds whole code points only and nothing that may still become a stop word, so that what was sent is always a
 * clean place to resume from. `tokens` counts the tokens behind that text. `end` comes last, exactly once.
 */
export type GenerateEvent =
  | { readonly type: "queued"; readonly position: number }
  | { readonly type: "loading"; readonly fraction: number }
  | { readonly type: "rendered"; readonly prompt: string }
  | {
      readonly type: "started";
      readonly promptTokens: number;
      readonly cachedTokens: number;
      readonly loadMs: number;
      /** Of a conversation's answer; a prompt's answer is text and no more. */
      readonly output?: OutputFormat;
    }
  | {
      readonly type: "text";
      readonly text: string;
      readonly tokens: number;
      readonly logprobs?: readonly Logprob[];
    }
  | {
      readonly type: "end";
      readonly reason: "stop" | "length";
      readonly promptTokens: number;
      readonly tokens: number;
      readonly promptMs: number;
      readonly outputMs: number;
      readonly context?: readonly number[];
    };

/** Told by the router before the first event of the node that answers, and again when another one goes on. */
export interface Route {
  readonly node: NodeId;
  readonly nodeName: string;
  /** 1 for the first node that was asked. */
  readonly attempts: number;
  /** Time from the request's arrival at the router that was not the engine's. */
  readonly overheadMs: number;
}
export type RoutedEvent = GenerateEvent | ({ readonly type: "routed" } & Route);

export interface LoadRequest {
  readonly requestId: string;
  readonly model: ManifestDigest;
  readonly runner: RunnerOptions;
  readonly keepAliveMs?: number;
}

export interface EmbedRequest {
  readonly requestId: string;
  readonly model: ManifestDigest;
  readonly inputs: readonly string[];
  readonly runner: RunnerOptions;
  /** Cut inputs that are too long (default true); false is an error then. */
  readonly truncate?: boolean;
  readonly keepAliveMs?: number;
}

export interface Embeddings {
  /** One vector for each input, in its order, not normalised. */
  readonly vectors: readonly (readonly number[])[];
  readonly promptTokens: number;
  readonly loadMs: number;
}

/** Text to tokens, or tokens to text, by the model's vocabulary. */
export interface TokensRequest extends LoadRequest {
  readonly of:
    | {
        readonly kind: "text";
        readonly text: string;
        /** What the model's tokenizer puts before a prompt. */
        readonly addSpecial: boolean;
        /** Whether marks such as <|im_start|> are the tokens that they name, or text. */
        readonly parseSpecial: boolean;
      }
    | { readonly kind: "tokens"; readonly tokens: readonly number[] };
}

export interface Tokens {
  readonly tokens: readonly number[];
  readonly text: string;
  readonly loadMs: number;
}

export interface LoadedModel {
  readonly model: ManifestDigest;
  readonly sizeBytes: number;
  readonly vramBytes: number;
  readonly contextLength: number;
  /** Infinity: never. */
  readonly expiresInMs: number;
}

export interface EngineStatus {
  /** Requests that can run at once on a loaded model. */
  readonly slots: number;
  readonly running: number;
  readonly queued: number;
  readonly loaded: readonly LoadedModel[];
}
