import { readFile } from "node:fs/promises";
import { buffer } from "node:stream/consumers";
import { AppError, messageOf } from "../../core/errors.ts";

/** Of the file, or of standard input for `-`. */
export async function readModelfileText(file: string): Promise<string> {
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
