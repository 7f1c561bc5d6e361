import { existsSync } from "node:fs";
import path from "node:path";
import { importGguf } from "../blobs/import-gguf.ts";
import { ModelStore } from "../blobs/model-store.ts";
import { systemClock } from "../core/clock.ts";
import { AppError } from "../core/errors.ts";
import { silentLog } from "../core/log.ts";
import { formatShortName, parseModelName } from "../core/model-name.ts";
import type { Config } from "./config/config.ts";
import { nodeFolder } from "./up/plan.ts";

export interface ImportOptions {
  readonly file: string;
  readonly name: string;
  /** A node of `up`; undefined: the folder that OLLAMA_MODELS names. */
  readonly node: number | undefined;
}

export interface Imported {
  readonly name: string;
  readonly manifest: string;
  readonly sizeBytes: number;
  readonly folder: string;
}

/** Puts a GGUF file into a models folder. A node that serves the folder notices by itself. */
export async function importModel(
  config: Config,
  options: ImportOptions,
  o: {
    readonly signal: AbortSignal;
    readonly onProgress: (doneBytes: number, totalBytes: number) => void;
  },
): Promise<Imported> {
  const folder = modelsFolder(config, options.node);
  await using store = await ModelStore.open(
    { dir: folder },
    { clock: systemClock, log: silentLog },
  );
  const record = await importGguf(store, { file: options.file, name: options.name }, o);
  const name = parseModelName(record.name);
  return {
    name: name ? formatShortName(name) : record.name,
    manifest: record.manifest,
    sizeBytes: record.sizeBytes,
    folder,
  };
}

function modelsFolder(config: Config, node: number | undefined): string {
  if (node === undefined) return config.OLLAMA_MODELS;
  const folder = nodeFolder(config.OLLAMA_DATA_DIR, node);
  if (!existsSync(folder)) {
    throw new AppError(
      "USAGE",
      `there is no node ${node} of \`ollamamax up\` in ${config.OLLAMA_DATA_DIR}: start it once first`,
    );
  }
  return path.join(folder, "models");
}
