import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  statSync,
} from "node:fs";
import { chown, mkdir, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Clock } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import { RegistryError } from "../errors.ts";
import type { Account } from "./account.ts";
import type { Binaries } from "./binaries.ts";

interface Place {
  readonly binaries: Binaries;
  readonly folder: string;
  readonly account: Account | undefined;
}

const START_MS = 30_000;
const STOP_MS = 20_000;
const POLL_MS = 20;
const NEVER = new AbortController().signal;
/** Where postmaster.pid says what, from 0 (Postgres's pidfile.h). */
const PID_LINE = 0;
const START_LINE = 2;
const PORT_LINE = 3;
const STATUS_LINE = 7;
const LOG_BYTES_MAX = 10 * 1024 * 1024;
const LOG_TAIL_BYTES = 2_000;

/** For a laptop: little memory, many connections, nothing given up of what keeps data safe. */
const SETTINGS: Readonly<Record<string, string>> = {
  unix_socket_directories: "",
  max_connections: "200",
  shared_buffers: "32MB",
  password_encryption: "scram-sha-256",
  log_min_messages: "warning",
  log_line_prefix: "%m [%p] ",
};

/** Makes the database's files, all or nothing: a run that is killed leaves only a folder that the next one replaces. */
export async function initialise(
  place: Place & { readonly user: string; readonly password: string },
): Promise<void> {
  const fresh = `${place.folder}.new`;
  const passwordFile = `${place.folder}.pw`;
  await rm(fresh, { recursive: true, force: true });
  await mkdir(fresh, { mode: 0o700 });
  await writeFile(passwordFile, place.password, { mode: 0o600 });
  try {
    if (place.account) {
      await chown(fresh, place.account.uid, place.account.gid);
      await chown(passwordFile, place.account.uid, place.account.gid);
    }
    const child = spawn(
      place.binaries.initdb,
      [
        ...["--pgdata", fresh, "--username", place.user, "--pwfile", passwordFile],
        ...["--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C"],
      ],
      { ...runAs(place.account), cwd: fresh, env: {}, stdio: ["ignore", "ignore", "pipe"] },
    );
    let complaint = "";
    child.stderr.on("data", (chunk: Buffer) => {
      complaint = (complaint + chunk.toString()).slice(-LOG_TAIL_BYTES);
    });
    const [code] = await once(child, "close");
    if (code !== 0) throw startFailed(complaint);
    await rename(fresh, place.folder);
  } finally {
    await rm(passwordFile, { force: true });
  }
}

/** A running postmaster that this process started. */
export class PostgresServer implements AsyncDisposable {
  readonly pid: number;
  /** Resolves when it has ended: "stopped" when somebody asked it to, else "died". */
  readonly exited: Promise<"stopped" | "died">;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, pid: number) {
    this.#child = child;
    this.pid = pid;
    this.exited = once(child, "exit").then(([code]) => (code === 0 ? "stopped" : "died"));
  }

  /** Resolves when it accepts connections. */
  static async start(
    place: Place & { readonly host: string; readonly port: number },
    { clock }: { readonly clock: Clock },
  ): Promise<PostgresServer> {
    const logFile = `${place.folder}.log`;
    const log = openLog(logFile);
    const stale = pidLines(place.folder);
    const settings = { ...SETTINGS, listen_addresses: place.host, port: String(place.port) };
    const child = spawn(
      place.binaries.postgres,
      [
        "-D",
        place.folder,
        ...Object.entries(settings).flatMap(([key, value]) => ["-c", `${key}=${value}`]),
      ],
      {
        ...runAs(place.account),
        cwd: place.folder,
        env: {},
        detached: true,
        stdio: ["ignore", log, log],
      },
    );
    closeSync(log);
    if (child.pid === undefined) {
      const [error] = await once(child, "error");
      throw startFailed(messageOf(error));
    }
    const server = new PostgresServer(child, child.pid);
    const deadlineMs = clock.nowMs() + START_MS;
    while (!isReady(place.folder, child.pid, stale)) {
      if (server.ended) throw startFailed(tailOf(logFile));
      if (clock.nowMs() > deadlineMs) {
        await server[Symbol.asyncDispose]();
        throw startFailed(`it was not ready after ${START_MS} ms`);
      }
      await clock.sleep(POLL_MS, NEVER);
    }
    child.unref(); // Our own loop keeps this process alive, not the server.
    return server;
  }

  get ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** For a process that ends now: the server ends by itself within moments, and recovers at its next start. */
  quit(): void {
    if (!this.ended) this.#child.kill("SIGQUIT");
  }

  /** Fast shutdown (SIGINT): sessions end, everything is written. */
  async [Symbol.asyncDispose](): Promise<void> {
    const child = this.#child;
    if (this.ended) return;
    child.ref();
    child.kill("SIGINT");
    // SIGQUIT: the postmaster ends its sessions at once, and nothing is lost; a SIGKILL would leave them behind.
    const impatient = setTimeout(() => child.kill("SIGQUIT"), STOP_MS);
    await this.exited;
    clearTimeout(impatient);
  }
}

/** Stops a server that a killed run left behind in this folder, so that ours is the only one. */
export async function stopLeftOver(folder: string, clock: Clock): Promise<void> {
  const pid = postmasterPid(folder);
  if (pid !== undefined && isPostmasterOf(folder, pid)) {
    signalTo(pid, "SIGINT");
    const impatientMs = clock.nowMs() + STOP_MS;
    while (isPostmasterOf(folder, pid)) {
      if (clock.nowMs() > impatientMs) signalTo(pid, "SIGQUIT");
      await clock.sleep(POLL_MS, NEVER);
    }
  }
  await stopOrphans(folder, clock);
}

/** Sessions outlive a postmaster that was killed until their statement is done, and hold the memory that the next one needs. */
async function stopOrphans(folder: string, clock: Clock): Promise<void> {
  const deadlineMs = clock.nowMs() + STOP_MS;
  let orphans = orphansOf(folder);
  while (orphans.length > 0 && clock.nowMs() < deadlineMs) {
    for (const pid of orphans) signalTo(pid, "SIGQUIT");
    await clock.sleep(POLL_MS, NEVER);
    orphans = orphansOf(folder);
  }
}

/** Only where there is a /proc. */
function orphansOf(folder: string): number[] {
  if (!existsSync("/proc/self/cwd") || !existsSync(folder)) return [];
  const pids = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  return pids.filter((pid) => isPostmasterOf(folder, pid) && programOf(pid) === "postgres");
}

function programOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return undefined; // It has just ended.
  }
}

function signalTo(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // It may have ended by itself just now.
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

/** The port of the server that runs in this folder; undefined when none does. */
export function runningPort(folder: string): number | undefined {
  const pid = postmasterPid(folder);
  const port = Number(pidLines(folder)[PORT_LINE]);
  return pid !== undefined && isPostmasterOf(folder, pid) && port > 0 ? port : undefined;
}

/**
 * A file from before may name the same process: in a container the numbers are the same at every start. The time of the
 * start, in seconds, tells them apart.
 */
function isReady(folder: string, pid: number, stale: readonly string[]): boolean {
  const lines = pidLines(folder);
  const isStale = [PID_LINE, START_LINE].every((line) => lines[line] === stale[line]);
  return Number(lines[PID_LINE]) === pid && !isStale && lines[STATUS_LINE]?.trim() === "ready";
}

function postmasterPid(folder: string): number | undefined {
  const pid = Number(pidLines(folder)[PID_LINE]);
  return Number.isInteger(pid) && pid > 1 ? pid : undefined;
}

function pidLines(folder: string): string[] {
  try {
    return readFileSync(path.join(folder, "postmaster.pid"), "utf8").split("\n");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}

/** A postmaster's working directory is its data folder: so another process that has got the number is left alone. */
function isPostmasterOf(folder: string, pid: number): boolean {
  if (!existsSync("/proc/self/cwd")) return isPostmasterBySystem(folder, pid);
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === realpathSync(folder);
  } catch {
    return false;
  }
}

/** Where there is no /proc (macOS), by the arguments that `start` gave it. */
function isPostmasterBySystem(folder: string, pid: number): boolean {
  const listed = spawnSync("ps", ["-ww", "-o", "args=", "-p", String(pid)], { encoding: "utf8" });
  return (listed.stdout ?? "").includes(` -D ${folder} `);
}

function runAs(account: Account | undefined): { uid?: number; gid?: number } {
  return account ? { uid: account.uid, gid: account.gid } : {};
}

function openLog(file: string): number {
  if (existsSync(file) && statSync(file).size > LOG_BYTES_MAX) renameSync(file, `${file}.1`);
  return openSync(file, "a", 0o600);
}

function tailOf(file: string): string {
  return readFileSync(file, "utf8").slice(-LOG_TAIL_BYTES);
}

function startFailed(complaint: string): RegistryError {
  const lines = complaint.trim().split("\n");
  const fatal = lines.findLast((line) => /FATAL|error/i.test(line)) ?? lines.at(-1) ?? "";
  return new RegistryError(
    "POSTGRES_FAILED",
    `the embedded Postgres did not start (${fatal.trim()}): see postgres.log in the data folder, or set OLLAMA_DB_HOST to a server of your own`,
  );
}
