import { mkdir } from "node:fs/promises";
import path from "node:path";
import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import { MeshError } from "./errors.ts";
import { readStateFile, writeStateFile } from "./state-file.ts";

const BOOT_FILE = "boot";
const BOOT_BYTES_MAX = 32;
const BOOT_MAX = 2 ** 32 - 1;

/**
 * How often this node has started, this time included: the upper half of its incarnation, so that what it says after a
 * restart beats what the others remember from before.
 *
 * When the number is lost, the seconds since 1970 take its place: larger than any count, and counted on from there.
 */
export async function nextBoot(
  stateDir: string,
  deps: { readonly clock: Clock; readonly log: Logger },
): Promise<bigint> {
  const file = path.join(stateDir, BOOT_FILE);
  try {
    await mkdir(stateDir, { recursive: true, mode: 0o700 });
    const bytes = await readStateFile(file, BOOT_BYTES_MAX);
    const boot = bytes === undefined ? 1 : countIn(bytes.toString()) + 1;
    const isGood = boot <= BOOT_MAX;
    if (!isGood)
      deps.log.warn({ file }, "the boot counter was unreadable; it goes on from the clock");
    const next = isGood ? boot : Math.floor(deps.clock.wallMs() / 1_000);
    await writeStateFile(file, `${next}\n`);
    return BigInt(next);
  } catch (cause) {
    throw new MeshError(
      "STATE_UNREADABLE",
      `the mesh cannot keep its state in ${stateDir} (${messageOf(cause)}): make the folder readable and writable, or set OLLAMA_DATA_DIR to another one`,
      { cause },
    );
  }
}

function countIn(text: string): number {
  return /^\d+\n?$/.test(text) ? Number(text) : Number.NaN;
}
