import type { Quantization } from "../../core/quantization.ts";
import { findLlamaLibrary } from "./llama-library.ts";
import type { QuantizeTask } from "./protocol.ts";

/** llama.h, `enum llama_ftype`. */
const FILE_TYPES: Readonly<Record<Quantization, number>> = {
  F32: 0,
  F16: 1,
  Q8_0: 7,
  Q4_K_S: 14,
  Q4_K_M: 15,
  BF16: 32,
};

/** What `llama_model_quantize_default_params` gives, now and in older versions: Q8_0, Q5_1; its threads are 0. */
const DEFAULT_FILE_TYPES: ReadonlySet<unknown> = new Set([7, 9]);
/**
 * The two fields that we set stand first in `struct llama_model_quantize_params`; the others change from version to version
 * and keep their defaults. Its size is only ever less than this, and what is larger than two registers is returned through
 * memory by the calling conventions of x86-64 and AArch64: too much room does no harm.
 */
const OTHER_FIELDS_BYTES = 248;

/**
 * Calls the quantizer in llama.cpp's library, which node-llama-cpp ships and has no call for. Throws where the library cannot
 * be loaded. What is returned blocks its thread until all is done, and says whether it went well.
 */
export async function openLlamaQuantizer(): Promise<(task: QuantizeTask) => boolean> {
  const files = findLlamaLibrary(process.platform, process.arch);
  const { default: koffi } = await import("koffi");
  const params = koffi.struct({
    nthread: "int32",
    ftype: "int32",
    others: koffi.array("uint8", OTHER_FIELDS_BYTES),
  });
  koffi.load(files.base);
  const ggml = koffi.load(files.ggml);
  const llama = koffi.load(files.llama);
  const loadBackends = ggml.func("ggml_backend_load_all_from_path", "void", ["str"]);
  const defaultParams = llama.func("llama_model_quantize_default_params", params, []);
  const quantize = llama.func("llama_model_quantize", "uint32", [
    ...["str", "str"],
    koffi.pointer(params),
  ]);
  const { nthread, ftype, others } = defaultParams();
  if (nthread !== 0 || !DEFAULT_FILE_TYPES.has(ftype)) {
    throw new Error("llama.cpp's quantizer takes other parameters than this version knows");
  }
  loadBackends(files.dir);
  return ({ inputPath, outputPath, quantization, threads }) => {
    const wanted = { nthread: threads, ftype: FILE_TYPES[quantization], others };
    return quantize(inputPath, outputPath, wanted) === 0;
  };
}
