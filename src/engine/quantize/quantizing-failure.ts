import { ManagementError } from "../../core/management.ts";
import type { QuantizeJob } from "../../core/quantization.ts";
import type { FromQuantizer } from "./protocol.ts";

export interface QuantizerEnd {
  /** Its last message, if there was one. */
  readonly heard: FromQuantizer | undefined;
  /** What llama.cpp said. */
  readonly reason: string | undefined;
  /** Its exit code and signal. */
  readonly how: Readonly<Record<string, unknown>>;
}

/** What a client is told of a process that has ended; undefined when all went well. */
export function quantizingFailure(
  { heard, reason, how }: QuantizerEnd,
  job: QuantizeJob,
): ManagementError | undefined {
  if (heard?.type === "done") return undefined;
  if (heard?.type === "unavailable") {
    return new ManagementError(
      "NOT_POSSIBLE",
      "this node cannot quantize, its log says why: create the model on one that can, or from a file that is quantized already",
    );
  }
  if (heard?.type === "failed") {
    const why = reason === undefined ? "" : `: ${withoutPaths(reason, job)}`;
    return new ManagementError("QUANTIZATION_FAILED", `the model cannot be quantized${why}`);
  }
  return new ManagementError(
    "QUANTIZATION_FAILED",
    "the quantizer has unexpectedly stopped, this may be due to resource limitations, check the node's log for details",
    { details: how },
  );
}

/** Clients learn no names of files here. */
function withoutPaths(text: string, { inputPath, outputPath }: QuantizeJob): string {
  return text.replaceAll(inputPath, "the model").replaceAll(outputPath, "the new file");
}
