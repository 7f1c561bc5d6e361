import type { Gguf, GgufValue } from "./gguf.ts";
import { fileTypeName } from "./gguf-types.ts";

/** What we keep in memory of a GGUF file's head. */
export interface GgufFacts {
  readonly architecture: string;
  /** As Ollama shows it: F16, Q4_K_M. */
  readonly quantization: string;
  readonly parameterCount: number;
  readonly contextLength?: number;
  readonly embeddingLength?: number;
  readonly pooling: boolean;
  readonly vision: boolean;
  readonly audio: boolean;
  /** Jinja. */
  readonly chatTemplate?: string;
  /** Of how many files this is one. */
  readonly splitCount: number;
}

export function ggufFacts({ metadata, parameterCount }: Gguf): GgufFacts {
  const architecture = textOf(metadata.get("general.architecture")) ?? "";
  const own = (key: string): GgufValue | undefined => metadata.get(`${architecture}.${key}`);
  const contextLength = numberOf(own("context_length"));
  const embeddingLength = numberOf(own("embedding_length"));
  const chatTemplate = textOf(metadata.get("tokenizer.chat_template"));
  return {
    architecture,
    quantization: fileTypeName(numberOf(metadata.get("general.file_type"))),
    parameterCount,
    ...(contextLength !== undefined && { contextLength }),
    ...(embeddingLength !== undefined && { embeddingLength }),
    pooling: own("pooling_type") !== undefined,
    vision: own("vision.block_count") !== undefined,
    audio: own("audio.block_count") !== undefined,
    ...(chatTemplate !== undefined && chatTemplate !== "" && { chatTemplate }),
    splitCount: numberOf(metadata.get("split.count")) ?? 1,
  };
}

function textOf(value: GgufValue | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function numberOf(value: GgufValue | undefined): number | undefined {
  return typeof value === "number" ? value : undefined;
}
