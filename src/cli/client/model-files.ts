import { readdir } from "node:fs/promises";
import path from "node:path";
import { checkpointFiles, isSafetensorsName } from "../../core/checkpoint-files.ts";
import { AppError } from "../../core/errors.ts";
import { splitNames } from "../../core/split-names.ts";

const FILES_MAX = 1_000;

/** What a path stands for: a folder for the model in it, a part of a model for all of its parts. */
export async function modelFiles(file: string, isFolder: boolean): Promise<readonly string[]> {
  if (isFolder) return await inFolder(file);
  if (isSafetensorsName(file)) return await inFolder(path.dirname(file));
  const names = splitNames(path.basename(file)) ?? [path.basename(file)];
  return names.map((name) => path.join(path.dirname(file), name));
}

/** Whether that is meant as a path rather than as a model's name: so that a file that is missing is told as such. */
export function isPathLike(source: string): boolean {
  if (/^(\.{0,2}\/|~(\/|$)|\.{1,2}$)/.test(source)) return true;
  // Some repositories' names end so: hf.co/org/model.gguf
  const namesHost = /^[^/]+\.[^/]+\/[^/]+\/[^/]+$/.test(source);
  return /\.(gguf|safetensors)$/i.test(source) && !namesHost;
}

/** The GGUF files, or else the safetensors with what tells about them. */
async function inFolder(folder: string): Promise<readonly string[]> {
  const all = await readdir(folder);
  const ggufs = all.filter((name) => name.toLowerCase().endsWith(".gguf")).sort();
  const names = ggufs.length > 0 ? ggufs : checkpointFiles(all);
  if (names.length === 0) {
    throw new AppError("USAGE", `there is no GGUF file and no .safetensors file in ${folder}`);
  }
  if (names.length > FILES_MAX) {
    throw new AppError("USAGE", `there are ${names.length} models' files in ${folder}: name one`);
  }
  return names.map((name) => path.join(folder, name));
}
