import type { RegistryRequest } from "./distribution.ts";
import { AppError } from "./errors.ts";
import type { Message } from "./inference.ts";
import type { ModelName } from "./model-name.ts";
import type { Waiting } from "./ports.ts";

/** What can go wrong with the models in a store, and the HTTP status that tells it. The message is what a client reads. */
export const MANAGEMENT_ERRORS = {
  INVALID_REQUEST: { status: 400 },
  INVALID_MODEL_NAME: { status: 400 },
  DIGEST_MISMATCH: { status: 400 },
  BLOB_NOT_FOUND: { status: 400 },
  NOT_GGUF: { status: 400 },
  UNSUPPORTED_VERSION: { status: 400 },
  TRUNCATED: { status: 400 },
  TOO_LARGE: { status: 400 },
  MALFORMED: { status: 400 },
  SPLIT_INCOMPLETE: { status: 400 },
  SPLIT_NOT_SUPPORTED: { status: 400 },
  MODEL_NOT_FOUND: { status: 404 },
  NODE_NOT_FOUND: { status: 404 },
  QUANTIZATION_INVALID: { status: 500 },
  QUANTIZATION_FAILED: { status: 500 },
  BLOB_CHANGED: { status: 500 },
  LAYER_INVALID: { status: 500 },
  MANIFEST_INVALID: { status: 500 },
  MODELS_DIR_NOT_WRITABLE: { status: 500 },
  INSECURE_PROTOCOL: { status: 500 },
  REMOTE_NOT_FOUND: { status: 500 },
  REGISTRY_UNAUTHORIZED: { status: 500 },
  REGISTRY_REFUSED: { status: 500 },
  REGISTRY_UNREACHABLE: { status: 500 },
  REGISTRY_INVALID: { status: 500 },
  DOWNLOAD_MISMATCH: { status: 500 },
  TRANSFER_FAILED: { status: 500 },
  NOT_POSSIBLE: { status: 501 },
  NODES_FAILED: { status: 502 },
  QUANTIZER_BUSY: { status: 503 },
  TRANSFERS_BUSY: { status: 503 },
  DISK_FULL: { status: 507 },
} as const satisfies Record<string, { readonly status: number }>;

export type ManagementErrorCode = keyof typeof MANAGEMENT_ERRORS;

export class ManagementError extends AppError<ManagementErrorCode> {}

/** Of a failure of this table, whoever made it; undefined for any other. */
export function managementCodeOf(error: unknown): ManagementErrorCode | undefined {
  if (!(error instanceof AppError)) return undefined;
  const { code }: AppError = error;
  return isManagementCode(code) ? code : undefined;
}

export function isManagementCode(code: string): code is ManagementErrorCode {
  return Object.hasOwn(MANAGEMENT_ERRORS, code);
}

/** A model to make, as Ollama's POST /api/create has it. Digests are of blobs that are in the store already. */
export interface CreateRequest {
  readonly name: ModelName;
  /** The model whose layers the new one begins with. */
  readonly from?: ModelName;
  /** File name → digest. */
  readonly files: Readonly<Record<string, string>>;
  readonly adapters: Readonly<Record<string, string>>;
  readonly template?: string;
  readonly system?: string;
  readonly licenses: readonly string[];
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly messages: readonly Message[];
  readonly renderer?: string;
  readonly parser?: string;
  readonly requires?: string;
  readonly quantize?: string;
  /** In place of what the files say. */
  readonly info?: ModelInfo;
}

/** What a model's config tells people of it. */
export interface ModelInfo {
  readonly family?: string;
  readonly baseName?: string;
  /** Q4_K_M. */
  readonly quantization?: string;
  /** 3.2B. */
  readonly parameterSize?: string;
  readonly contextLength?: number;
  readonly embeddingLength?: number;
  /** Beyond those that are found in its files. */
  readonly capabilities?: readonly string[];
}

/** A line of the stream that a long call answers with. */
export interface Progress {
  readonly status: string;
  readonly digest?: string;
  readonly total?: number;
  readonly completed?: number;
}

/** Changes the models in one store. Owner: blobs. */
export interface ModelKeeper {
  /** False: there is no such source. What had the destination's name is replaced. */
  copy(source: ModelName, destination: ModelName, o: Waiting): Promise<boolean>;
  /** With the blobs that no other model needs. False: there is no such model. */
  remove(name: ModelName, o: Waiting): Promise<boolean>;
  /** Whether there is a manifest of that name, whole or not. */
  has(name: ModelName, o: Waiting): Promise<boolean>;
  /** The last line is `success`, with the new manifest's digest; a failure leaves no model. */
  create(request: CreateRequest, o: Waiting): AsyncIterable<Progress>;
}

/** What a call changed, and where. */
export interface Changed {
  /** False: nobody that could be asked has it. */
  readonly found: boolean;
  /** The names of nodes that have it and are away: there nothing was changed. */
  readonly missed: readonly string[];
}

export interface Within extends Waiting {
  /** On this node alone. */
  readonly local: boolean;
}

/** Changes models in the cluster. What has resolved can be seen on this node. Owner: management. */
export interface Management {
  /** On every node that has the source; whoever has only an older destination loses that. */
  copy(source: ModelName, destination: ModelName, o: Within): Promise<Changed>;
  /** On every node that has it. */
  remove(name: ModelName, o: Within): Promise<Changed>;
  /** On this node, or on one that has `from`; whoever has an older model of that name loses it. */
  create(request: CreateRequest, o: Within): AsyncIterable<Progress>;
  /** On the node that has the name already, else on this one; whoever has an older model of that name loses it. */
  pull(request: RegistryRequest, o: Within): AsyncIterable<Progress>;
  /** From this node, or one that has it. */
  push(request: RegistryRequest, o: Within): AsyncIterable<Progress>;
}
