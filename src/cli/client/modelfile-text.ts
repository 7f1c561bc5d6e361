import { readdir, readFile } from "node:fs/promises";
import { buffer } from "node:stream/consumers";
import { checkpointFiles } from "../../core/checkpoint-files.ts";
import { AppError, messageOf } from "../../core/errors.ts";

const DEFAULT_MODELFILE = "Modelfile";

/** Of the file, or of standard input for `-`. */
export async function readModelfileText(file: string | undefined): Promise<string> {
  if (file !== undefined) return await readText(file);
  const names = await readdir(".");
  if (names.includes(DEFAULT_MODELFILE)) return await readText(DEFAULT_MODELFILE);
  // As Ollama has it: a folder with a model and no Modelfile is a model.
  const hasModel = names.some((name) => /\.gguf$/i.test(name)) || checkpointFiles(names).length > 0;
  if (hasModel) return "FROM .\n";
  const nothing = "there is no Modelfile here, and no GGUF or .safetensors file";
  throw new AppError("USAGE", `${nothing}: --file says where the Modelfile is`);
}

async function readText(file: string): Promise<string> {
  try {
    return decodeText(file === "-" ? await buffer(process.stdin) : await readFile(file));
  } catch (error) {
    throw new AppError("USAGE", `the Modelfile cannot be read: ${messageOf(error)}`);
  }
}

const BYTE_ORDER_MARKS: readonly (readonly [mark: readonly number[], encoding: string])[] = [
  [[0xff, 0xfe], "utf-16le"],
  [[0xfe, 0xff], "utf-16be"],
];

/** UTF-8, or UTF-16 where its mark says so, as editors and the shell of Windows write it. */
export function decodeText(bytes: Uint8Array): string {
  const found = BYTE_ORDER_MARKS.find(([mark]) => mark.every((byte, at) => bytes[at] === byte));
  return new TextDecoder(found?.[1] ?? "utf-8").decode(bytes);
}
