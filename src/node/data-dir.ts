import { constants } from "node:fs";
import { access, mkdir, open, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { AppError, messageOf } from "../core/errors.ts";
import { startTimeOf } from "../core/process-start.ts";

export class DataDirError extends AppError<"DATA_DIR_NOT_WRITABLE" | "DATA_DIR_IN_USE"> {}

const LOCK_FILE = "node.pid";

/**
 * Makes the folder and takes it for this process until disposed: two daemons with one identity would be taken for one
 * that keeps restarting. A lock left by a process that has gone is taken over.
 */
export async function takeDataDir(dir: string): Promise<AsyncDisposable> {
  try {
    await makeFolder(path.resolve(dir));
    await access(dir, constants.W_OK);
  } catch (error) {
    throw new DataDirError(
      "DATA_DIR_NOT_WRITABLE",
      `cannot write to ${dir} (${messageOf(error)}): make it writable for this user, or set OLLAMA_DATA_DIR to another folder`,
    );
  }
  const lock = path.join(dir, LOCK_FILE);
  if (!(await createLock(lock))) {
    const holder = await holderOf(lock);
    if (holder !== undefined) {
      throw new DataDirError(
        "DATA_DIR_IN_USE",
        `${dir} is in use by process ${holder}: stop that first (kill ${holder}), or set OLLAMA_DATA_DIR to another folder`,
      );
    }
    await rm(lock, { force: true });
    await createLock(lock);
  }
  return { [Symbol.asyncDispose]: () => rm(lock, { force: true }) };
}

/** Node's own recursive mkdir never ends where a folder cannot be made although its parent is there, as below /proc. */
async function makeFolder(dir: string, hasParent = false): Promise<void> {
  try {
    await mkdir(dir);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "EEXIST") return;
    if (code !== "ENOENT" || hasParent) throw error;
    await makeFolder(path.dirname(dir));
    await makeFolder(dir, true);
  }
}

/** False when it exists already. */
async function createLock(lock: string): Promise<boolean> {
  try {
    await using file = await open(lock, "wx", 0o600);
    await file.writeFile(`${process.pid} ${await startTimeOf(process.pid)}\n`);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  }
}

/** The process that holds the lock; undefined when it has gone, even if another process has its number now. */
async function holderOf(lock: string): Promise<number | undefined> {
  const [pidText = "", startTime = ""] = (await readFile(lock, "utf8")).trim().split(" ");
  const pid = Number(pidText);
  if (!Number.isInteger(pid) || pid <= 0 || pid === process.pid) return undefined;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return undefined;
  }
  return (await startTimeOf(pid)) === startTime ? pid : undefined;
}
