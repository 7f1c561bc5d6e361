import type { BlobDigest, ManifestDigest } from "./digest.ts";
import type { Message } from "./inference.ts";

/** What lists show of a model (Ollama's `details`). */
export interface ModelDetails {
  readonly parentModel: string;
  readonly format: string;
  readonly family: string;
  readonly families: readonly string[];
  /** For people, such as "3.2B". */
  readonly parameterSize: string;
  readonly quantizationLevel: string;
  readonly contextLength?: number;
  readonly embeddingLength?: number;
}

export const CAPABILITIES = [
  "completion",
  "tools",
  "insert",
  "vision",
  "embedding",
  "thinking",
  "image",
  "audio",
] as const;
export type Capability = (typeof CAPABILITIES)[number];

/** A model as nodes tell each other about it: small enough for a replica announcement. */
export interface ModelRecord {
  /** The full reference: registry.ollama.ai/library/llama3.2:1b. */
  readonly name: string;
  readonly manifest: ManifestDigest;
  /** Layers and config together. */
  readonly sizeBytes: number;
  /** When the manifest was written on the node that announces it; shown to people, never compared across nodes. */
  readonly modifiedAtMs: number;
  readonly details: ModelDetails;
  readonly capabilities: readonly Capability[];
}

/** A model's files and layers on this node: what a runner needs. */
export interface ModelFiles {
  readonly record: ModelRecord;
  /** The GGUF file's absolute path. */
  readonly modelPath: string;
  readonly modelBlob: BlobDigest;
  readonly modelFileBytes: number;
  readonly adapterPaths: readonly string[];
  readonly projectorPaths: readonly string[];
  /** The Go TEMPLATE layer, when there is one. */
  readonly template?: string;
  /** Names of Ollama's: which of its built-in templates it uses, and which parser. */
  readonly renderer?: string;
  readonly parser?: string;
  readonly system?: string;
  /** PARAMETER layer, with Ollama's option names. */
  readonly parameters: Readonly<Record<string, unknown>>;
  /** MESSAGE layer: put before a conversation. */
  readonly messages: readonly Message[];
}

/** The body of Ollama's POST /api/show, as it goes to the client. */
export type ModelDescription = Readonly<Record<string, unknown>>;

export interface DescribeOptions {
  readonly verbose: boolean;
  /** Stand in its Modelfile in place of its own, so that somebody may keep what they have set. */
  readonly system?: string;
  /** With Ollama's option names. */
  readonly parameters?: Readonly<Record<string, unknown>>;
}
