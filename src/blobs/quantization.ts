import { ManagementError } from "../core/management.ts";

const SOURCES: readonly string[] = ["F16", "BF16", "F32"];
const TARGETS: readonly string[] = ["F32", "F16", "Q4_K_S", "Q4_K_M", "Q8_0"];

/**
 * Resolves when there is nothing to do: the model has the wanted quantization already. node-llama-cpp has no call for
 * llama.cpp's quantizer, so every other wish is refused with what to do instead.
 */
export function checkQuantization(wanted: string | undefined, current: string): void {
  if (!wanted) return;
  const upper = wanted.toUpperCase();
  const type = upper === "Q4_K" ? "Q4_K_M" : upper;
  if (!TARGETS.includes(type) && type !== "BF16") {
    throw new ManagementError(
      "QUANTIZATION_INVALID",
      `unsupported quantization type ${upper.slice(0, 40)} - supported types are ${TARGETS.join(", ")}`,
    );
  }
  if (type === current) return;
  if (!SOURCES.includes(current)) {
    throw new ManagementError(
      "QUANTIZATION_INVALID",
      "quantization is only supported for F16, BF16 and F32 models",
    );
  }
  throw new ManagementError(
    "NOT_POSSIBLE",
    `this server cannot quantize: run llama.cpp's \`llama-quantize model.gguf out.gguf ${type}\` and create the model from its result`,
  );
}
