import { createRequire } from "node:module";
import { messageOf } from "../../core/errors.ts";

/** The part of llama.node's addon that we use: llama.cpp with mtmd, which node-llama-cpp 3.22 lacks. */
export interface MultimodalContext {
  initMultimodal(options: { readonly path: string; readonly use_gpu: boolean }): boolean;
  getMultimodalSupport(): { readonly vision: boolean; readonly audio: boolean };
  enableParallelMode(options: { readonly n_parallel: number; readonly n_batch: number }): boolean;
  /** Of a picture or a sound -1 for each of its tokens. Rejects when one cannot be read. */
  tokenize(text: string, media: readonly string[]): Promise<{ readonly tokens: Int32Array }>;
  queueCompletion(
    options: Readonly<Record<string, unknown>>,
    callback: (error: unknown, result: MultimodalResult) => void,
  ): { readonly requestId: number };
  /** After it, nothing more comes of the request. */
  cancelRequest(requestId: number): void;
}

/** A token, or the end, which has no `token`. */
export interface MultimodalResult {
  readonly token?: string;
  readonly probs?: readonly { readonly tok: number; readonly prob: number }[];
  readonly stopped_eos?: boolean;
  readonly stopped_limit?: boolean;
  readonly context_full?: boolean;
}

export interface MultimodalLibrary {
  readonly LlamaContext: {
    new (options: Readonly<Record<string, unknown>>): MultimodalContext;
    toggleNativeLog(on: boolean, log: (level: string, text: string) => void): void;
  };
}

/** The prebuilt binary for this machine, from the npm package of its name: no install script, no download. */
export function openMultimodalLibrary(): MultimodalLibrary {
  const name = `@fugood/node-llama-${process.platform}-${process.arch}`;
  let library: unknown;
  try {
    library = createRequire(import.meta.url)(name);
  } catch (error) {
    throw new Error(problemOf(name, messageOf(error)), { cause: error });
  }
  if (!isMultimodalLibrary(library)) throw new Error(`${name} is not the library that we know`);
  return library;
}

function problemOf(name: string, why: string): string {
  const hint = why.includes("libgomp")
    ? "install libgomp (on Debian, apt-get install libgomp1)"
    : "npm ci brings it, where there is one for this machine";
  return `the library that reads images and sounds, ${name}, cannot be loaded; ${hint}: ${why}`;
}

function isMultimodalLibrary(library: unknown): library is MultimodalLibrary {
  if (typeof library !== "object" || library === null || !("LlamaContext" in library)) return false;
  return typeof library.LlamaContext === "function";
}
