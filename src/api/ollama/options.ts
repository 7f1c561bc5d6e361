import type { RunnerOptions, Sampling } from "../../core/inference.ts";
import { HttpError } from "../http/http-error.ts";
import { seedOf } from "../json/seed.ts";

type Kind = "integer" | "seed" | "float32" | "boolean" | "array";

/**
 * Ollama's option → its type, and where it goes. Others are ignored, as Ollama ignores them (with a line in its log), and so is
 * what is for drafts, once its type is right: no model has one here.
 */
const OPTIONS = {
  num_ctx: ["integer", "runner", "numCtx"],
  num_batch: ["integer", "runner", "numBatch"],
  num_gpu: ["integer", "runner", "numGpu"],
  main_gpu: ["integer", "runner", "mainGpu"],
  use_mmap: ["boolean", "runner", "useMmap"],
  num_thread: ["integer", "runner", "numThread"],
  draft_num_predict: ["integer", "nowhere", "maxTokens"],
  num_keep: ["integer", "sampling", "numKeep"],
  seed: ["seed", "sampling", "seed"],
  top_k: ["integer", "sampling", "topK"],
  top_p: ["float32", "sampling", "topP"],
  min_p: ["float32", "sampling", "minP"],
  typical_p: ["float32", "sampling", "typicalP"],
  repeat_last_n: ["integer", "sampling", "repeatLastN"],
  temperature: ["float32", "sampling", "temperature"],
  repeat_penalty: ["float32", "sampling", "repeatPenalty"],
  presence_penalty: ["float32", "sampling", "presencePenalty"],
  frequency_penalty: ["float32", "sampling", "frequencyPenalty"],
  num_predict: ["integer", "request", "maxTokens"],
  stop: ["array", "request", "stop"],
} as const satisfies Record<
  string,
  readonly [
    Kind,
    "runner" | "sampling" | "request" | "nowhere",
    keyof RunnerOptions | keyof Sampling | "maxTokens" | "stop",
  ]
>;

export interface RequestOptions {
  readonly runner: RunnerOptions;
  readonly sampling: Sampling;
  readonly maxTokens?: number;
  readonly stop?: readonly string[];
}

/** A wrong type is Ollama's status 500 and its words; a float for an integer is cut off, null is unset. */
export function parseOptions(options: Readonly<Record<string, unknown>>): RequestOptions {
  const parsed = { runner: {}, sampling: {}, request: {}, nowhere: {} };
  for (const [name, [kind, part, field]] of Object.entries(OPTIONS)) {
    const value = options[name];
    if (value === undefined || value === null) continue;
    Object.assign(parsed[part], { [field]: parseOption(name, kind, value) });
  }
  return { ...parsed.request, runner: parsed.runner, sampling: parsed.sampling };
}

function parseOption(name: string, kind: Kind, value: unknown): unknown {
  const wrong = (type: string): HttpError => new HttpError(500, `option "${name}" must be ${type}`);
  if (kind === "boolean") {
    if (typeof value === "boolean") return value;
    throw wrong("of type boolean");
  }
  if (kind === "array") {
    if (!Array.isArray(value)) throw wrong("of type array");
    if (value.every((item) => typeof item === "string")) return value;
    throw wrong("of an array of strings");
  }
  if (kind === "seed") {
    const seed = seedOf(typeof value === "number" ? Math.trunc(value) : value);
    if (seed === undefined) throw wrong("of type integer");
    return seed;
  }
  if (typeof value !== "number") throw wrong(`of type ${kind}`);
  const number = kind === "integer" ? Math.trunc(value) : value;
  const fits = kind === "integer" ? Number.isSafeInteger(number) : Number.isFinite(number);
  if (!fits) throw wrong(`of type ${kind}`);
  return number;
}
