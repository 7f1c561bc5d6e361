import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import type { Clock } from "../../core/clock.ts";
import { AppError } from "../../core/errors.ts";
import { NODE_ARGUMENTS } from "../../core/node-arguments.ts";
import type { Random } from "../../core/random.ts";
import { backoffMs } from "../../core/retry.ts";
import type { NodePlan } from "./plan.ts";
import { RotatingFile } from "./rotating-file.ts";

const MAIN = fileURLToPath(new URL("../../main.ts", import.meta.url));
const RESTART = { firstMs: 500, maxMs: 30_000 };
/** A daemon that ran this long is healthy again: the next failure starts the backoff anew. */
const STABLE_MS = 60_000;
/** What the daemon itself allows for a drain, and a little more. */
const STOP_MS = 32_000;
const STDERR_BYTES_MAX = 4_096;

const readySchema = z.object({
  type: z.literal("ready"),
  nodeId: z.string(),
  apiUrl: z.string(),
  webUrl: z.string(),
});
export type DaemonAddress = Omit<z.infer<typeof readySchema>, "type">;

export interface DaemonDeps {
  readonly clock: Clock;
  readonly random: Random;
  /** Told of everything that a person would want to know. */
  readonly tell: (text: string) => void;
}

export class DaemonError extends AppError<"DAEMON_FAILED"> {}

/**
 * One `ollamamax serve` process, started again with backoff when it dies. It lives in a process group of its own, so that
 * the terminal's Ctrl-C reaches only `up`, which then stops it; and it drains by itself when `up` has gone.
 */
export class Daemon implements AsyncDisposable {
  readonly plan: NodePlan;
  readonly #deps: DaemonDeps;
  readonly #log: RotatingFile;
  readonly #stopping = new AbortController();
  #child: ChildProcess | undefined;
  #address: DaemonAddress | undefined;
  #stderr = "";
  #running = Promise.resolve();

  private constructor(plan: NodePlan, deps: DaemonDeps, log: RotatingFile) {
    this.plan = plan;
    this.#deps = deps;
    this.#log = log;
  }

  /** Resolves when the daemon is ready; rejects when its first start fails, with its own words, or the signal aborts. */
  static async open(
    plan: NodePlan,
    deps: DaemonDeps,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<Daemon> {
    const daemon = new Daemon(plan, deps, RotatingFile.open(plan.logFile));
    const child = daemon.#spawn();
    const exited = once(child, "exit").then(([code, signal]) => {
      throw new DaemonError(
        "DAEMON_FAILED",
        daemon.#stderr.trim() ||
          `${plan.name} ended with ${signal ?? `code ${code}`} before it was ready; its log is ${plan.logFile}`,
      );
    });
    const ready = once(child, "message", { signal }).then(([message]) =>
      readySchema.parse(message),
    );
    try {
      daemon.#address = await Promise.race([ready, exited]);
    } catch (error) {
      await daemon[Symbol.asyncDispose]();
      throw error;
    }
    exited.catch(() => {}); // from here on #supervise sees to it
    daemon.#running = daemon.#supervise(child);
    return daemon;
  }

  get address(): DaemonAddress {
    if (!this.#address) throw new Error("used before it was ready");
    return this.#address;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** For an `up` that ends now. */
  kill(): void {
    this.#child?.kill("SIGKILL");
  }

  #spawn(): ChildProcess {
    this.#stderr = "";
    const child = spawn(process.execPath, [...NODE_ARGUMENTS, MAIN, "serve"], {
      env: this.plan.env,
      detached: true,
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    child.stdout?.on("data", (chunk: Buffer) => this.#log.write(chunk));
    child.stderr?.on("data", (chunk: Buffer) => {
      this.#log.write(chunk);
      this.#stderr = (this.#stderr + chunk.toString()).slice(-STDERR_BYTES_MAX);
    });
    this.#child = child;
    return child;
  }

  async #supervise(first: ChildProcess): Promise<void> {
    const { clock, random, tell } = this.#deps;
    let child = first;
    let failures = 0;
    for (;;) {
      const startedMs = clock.nowMs();
      const [code, signal] = await exitOf(child);
      if (this.#stopping.signal.aborted) return;
      failures = clock.nowMs() - startedMs > STABLE_MS ? 1 : failures + 1;
      const pauseMs = backoffMs(RESTART, failures, random);
      const how = signal ?? `code ${code}`;
      tell(
        `${this.plan.name} ended (${how}); starting it again in ${(pauseMs / 1_000).toFixed(1)} s`,
      );
      try {
        await clock.sleep(pauseMs, this.#stopping.signal);
      } catch {
        return;
      }
      child = this.#spawn();
      child.once("message", (message) => {
        const ready = readySchema.safeParse(message);
        if (!ready.success) return;
        this.#address = ready.data;
        tell(`${this.plan.name} is back at ${ready.data.apiUrl}`);
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    const child = this.#child;
    if (child && child.exitCode === null && child.signalCode === null) {
      child.kill("SIGTERM");
      const killer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
      await exitOf(child);
      clearTimeout(killer);
    }
    await this.#running;
    // A runner that outlives its daemon for a moment holds the same pipes: nothing may reach the closed log.
    child?.stdout?.destroy();
    child?.stderr?.destroy();
    this.#log[Symbol.dispose]();
  }
}

async function exitOf(child: ChildProcess): Promise<[code: number | null, signal: string | null]> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  return [child.exitCode, child.signalCode];
}
