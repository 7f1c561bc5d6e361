import { ManagementError } from "../core/management.ts";
import { QUANTIZATIONS, type Quantization } from "../core/quantization.ts";
import type { GgufFacts } from "./gguf-facts.ts";

/** Bytes that a weight takes; of Q4_K_S and Q4_K_M, where llama.cpp takes more for some, as if all of them were those (Q6_K). */
const WEIGHT_BYTES: Readonly<Record<Quantization, number>> = {
  F32: 4,
  F16: 2,
  BF16: 2,
  Q8_0: 34 / 32,
  Q4_K_S: 210 / 256,
  Q4_K_M: 210 / 256,
};
const SOURCES: readonly Quantization[] = ["F16", "BF16", "F32"];
/** As Ollama lists them: BF16 is taken, and not told. */
const TOLD = ["F32", "F16", "Q4_K_S", "Q4_K_M", "Q8_0"].join(", ");
const NAME_CHARS_MAX = 40;
/** For weights that stay as they are, such as norms, and a disk that is not full to the last byte. */
const SPARE_BYTES = 16 * 1024 * 1024;

/** What a model is to be turned into; undefined when there is nothing to do. */
export function quantizationOf(
  wanted: string | undefined,
  current: string,
): Quantization | undefined {
  if (!wanted) return undefined;
  const upper = wanted.toUpperCase();
  const name = upper === "Q4_K" ? "Q4_K_M" : upper;
  const type = QUANTIZATIONS.find((quantization) => quantization === name);
  if (!type) {
    throw new ManagementError(
      "QUANTIZATION_INVALID",
      `unsupported quantization type ${upper.slice(0, NAME_CHARS_MAX)} - supported types are ${TOLD}`,
    );
  }
  if (type === current) return undefined;
  if (SOURCES.some((source) => source === current)) return type;
  throw new ManagementError(
    "QUANTIZATION_INVALID",
    "quantization is only supported for F16, BF16 and F32 models",
  );
}

/** More than the quantized file will take, roughly. */
export function quantizedBytesMax(
  { sizeBytes, facts }: { readonly sizeBytes: number; readonly facts: GgufFacts },
  quantization: Quantization,
): number {
  const { parameterCount } = facts;
  const source = SOURCES.find((name) => name === facts.quantization) ?? "F16";
  // Of what is no weight, the vocabulary is most.
  const otherBytes = Math.max(0, sizeBytes - parameterCount * WEIGHT_BYTES[source]);
  return Math.ceil(parameterCount * WEIGHT_BYTES[quantization] + otherBytes + SPARE_BYTES);
}
