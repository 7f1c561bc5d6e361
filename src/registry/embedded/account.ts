import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import path from "node:path";
import { RegistryError } from "../errors.ts";

/** The unprivileged user that runs Postgres when we are root, which Postgres refuses to be. */
export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

const NAMES = ["postgres", "ollamamax"] as const;
const CREATED = "ollamamax";

/** Undefined when this process is not root: Postgres then runs as the same user. */
export function databaseAccount(): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const existing = findAccount();
  if (existing) return existing;
  const made = spawnSync(
    "useradd",
    ["--system", "--no-create-home", "--shell", "/usr/sbin/nologin", CREATED],
    { encoding: "utf8" },
  );
  const created = findAccount();
  if (created) return created;
  throw new RegistryError(
    "NO_DATABASE_ACCOUNT",
    `Postgres does not run as root, and the user "${CREATED}" could not be made (${(made.stderr ?? made.error?.message ?? "").trim()}): make it, run as another user than root, or set OLLAMA_DB_HOST`,
  );
}

function findAccount(): Account | undefined {
  const lines = readFileSync("/etc/passwd", "utf8").split("\n");
  for (const name of NAMES) {
    const [, , uid, gid] = lines.find((line) => line.startsWith(`${name}:`))?.split(":") ?? [];
    if (uid && gid) return { name, uid: Number(uid), gid: Number(gid) };
  }
  return undefined;
}

/** Rejects, naming the folder that is in the way, unless the account can enter the folder and all above it. */
export async function requireReach(folder: string, account: Account): Promise<void> {
  const blocking = await blockingFolder(folder, account);
  if (blocking === undefined) return;
  throw new RegistryError(
    "DATA_DIR_UNREACHABLE",
    `the embedded Postgres runs as user "${account.name}", who cannot enter ${blocking}: set OLLAMA_DATA_DIR to a folder outside it (as root the default is /var/lib/ollamamax), or allow it with chmod o+x ${blocking}`,
  );
}

/** The topmost folder on the way that the account may not enter (POSIX search permission). */
export async function blockingFolder(
  folder: string,
  account: Account,
): Promise<string | undefined> {
  const above = path.dirname(folder);
  if (above !== folder) {
    const blocking = await blockingFolder(above, account);
    if (blocking !== undefined) return blocking;
  }
  const { mode, uid, gid } = await stat(folder);
  if (uid === account.uid) return mode & 0o100 ? undefined : folder;
  if (gid === account.gid) return mode & 0o010 ? undefined : folder;
  return mode & 0o001 ? undefined : folder;
}
