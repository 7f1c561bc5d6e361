import { open, readFile, rm, stat } from "node:fs/promises";
import { hostname } from "node:os";
import type { Clock } from "../core/clock.ts";
import { startTimeOf } from "../core/process-start.ts";
import { systemCode } from "./errors.ts";
import type { PieceFiles } from "./layout.ts";

/** Of a holder on another machine, or in another container, nothing is known but when it last wrote. */
const FOREIGN_HOLDS_MS = 5 * 60 * 1000;

/**
 * Takes a blob's pieces for this process: two that share a folder must not write one file. False while another process has
 * them. What a process that has gone left is taken over; nobody in this process may have them.
 */
export async function takeLock(files: PieceFiles, clock: Pick<Clock, "wallMs">): Promise<boolean> {
  if (await create(files.lock)) return true;
  if (await isHeld(files, clock.wallMs())) return false;
  await rm(files.lock, { force: true });
  return await create(files.lock);
}

async function create(lock: string): Promise<boolean> {
  try {
    await using file = await open(lock, "wx", 0o644);
    await file.writeFile(`${process.pid} ${await startTimeOf(process.pid)} ${hostname()}`);
    return true;
  } catch (error) {
    if (systemCode(error) === "EEXIST") return false;
    throw error;
  }
}

async function isHeld(files: PieceFiles, wallMs: number): Promise<boolean> {
  try {
    const [pidText = "", started = "", host = ""] = (await readFile(files.lock, "utf8")).split(" ");
    if (host !== hostname()) {
      return wallMs - Math.max(...(await changedMs(files))) < FOREIGN_HOLDS_MS;
    }
    const pid = Number(pidText);
    if (!Number.isInteger(pid) || pid <= 0 || pid === process.pid || !isAlive(pid)) return false;
    return (await startTimeOf(pid)) === started;
  } catch (error) {
    if (systemCode(error) === "ENOENT") return false;
    throw error;
  }
}

function changedMs({ lock, record }: PieceFiles): Promise<number[]> {
  return Promise.all([lock, record].map(async (file) => (await stat(file)).mtimeMs));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) !== "ESRCH";
  }
}
