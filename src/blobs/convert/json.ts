import { readFile, stat } from "node:fs/promises";
import { badCheckpoint } from "./checkpoint-error.ts";

export type Json = Readonly<Record<string, unknown>>;

/** The largest tokenizer.json that is about has 35 MB. */
const JSON_BYTES_MAX = 128 * 1024 * 1024;

export function isJson(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export async function readBounded(file: string, label: string): Promise<Buffer> {
  const { size } = await stat(file);
  if (size <= JSON_BYTES_MAX) return await readFile(file);
  throw badCheckpoint(`${label} has ${size} bytes, more than the ${JSON_BYTES_MAX} allowed`);
}

export function parseJson(bytes: Uint8Array, label: string): Json {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString("utf8"));
    if (isJson(value)) return value;
  } catch {
    // Below.
  }
  throw badCheckpoint(`${label} holds no JSON object`);
}

/** The parts of what may be a sequence, or the one that it is. */
export function partsOf(value: unknown, listName: string): readonly Json[] {
  if (!isJson(value)) return [];
  const list = value[listName];
  return Array.isArray(list) ? list.filter(isJson) : [value];
}
