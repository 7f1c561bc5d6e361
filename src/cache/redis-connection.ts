import type { Redis, RedisOptions as Settings } from "ioredis";
import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Waiting } from "../core/ports.ts";
import { answered } from "./answered.ts";
import { silent, toRedisError } from "./errors.ts";
import { ANSWER_TIMEOUT_MS, type RedisOptions } from "./options.ts";

export const DIAL_TIMEOUT_MS = 1_000;
const PREFIX = "ollamamax";
const CHANNEL = `${PREFIX}:changes`;
const PROBE_MS = 1_000;

export interface RedisConnectionDeps {
  readonly clock: Clock;
  /** What another node, or this one, has published. */
  readonly onMessage: (text: string) => void;
}

/**
 * One connection for commands and one for messages, both there or none: without its messages a node shall not believe what
 * it keeps. When either is lost, `lost` aborts; a new pair is then dialled by RedisLink, and ioredis itself neither dials
 * again nor keeps any command for later.
 */
export class RedisConnection implements AsyncDisposable {
  readonly #options: RedisOptions;
  readonly #deps: RedisConnectionDeps;
  readonly #commands: Redis;
  readonly #messages: Redis;
  readonly #lost = new AbortController();
  #prefix = "";

  private constructor(Client: typeof Redis, options: RedisOptions, deps: RedisConnectionDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#commands = new Client(settingsOf(options));
    this.#messages = new Client(settingsOf(options));
  }

  /** Rejects with a RedisError, also when no answer comes. */
  static async open(
    options: RedisOptions,
    deps: RedisConnectionDeps,
    { signal }: Waiting,
  ): Promise<RedisConnection> {
    // Loaded here: a node without a Redis starts sooner.
    const { Redis: Client } = await import("ioredis");
    signal.throwIfAborted();
    const connection = new RedisConnection(Client, options, deps);
    const onAbort = (): void => connection.#lost.abort(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      await connection.#dial();
      return connection;
    } catch (error) {
      await connection[Symbol.asyncDispose]();
      throw error;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** Aborts with a RedisError when the connection is of no more use. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  get commands(): Redis {
    return this.#commands;
  }

  /**
   * Keys carry the server's run id. What a server has after a restart, or another one after a failover, may be older than
   * changes that were told, so it counts as missing.
   */
  key(name: string): string {
    return `${this.#prefix}:${name}`;
  }

  get channel(): string {
    return CHANNEL;
  }

  /** Rejects with a RedisError unless both connections answer soon. */
  async ping(): Promise<void> {
    await this.answer(Promise.all([this.#commands.ping(), this.#messages.ping()]));
  }

  /** The answer; rejects with a RedisError, also when none comes in time. */
  async answer<T>(
    answer: Promise<T>,
    timeoutMs = this.#options.answerTimeoutMs ?? ANSWER_TIMEOUT_MS,
  ): Promise<T> {
    const onSilence = (): Error => silent(this.#options, timeoutMs);
    try {
      return await answered(answer, { clock: this.#deps.clock, timeoutMs, onSilence });
    } catch (error) {
      throw toRedisError(error, this.#options);
    }
  }

  /** Gives the connection up. */
  fail(error: unknown): void {
    this.#lost.abort(toRedisError(error, this.#options));
  }

  async #dial(): Promise<void> {
    for (const redis of [this.#commands, this.#messages]) {
      redis.on("error", (error) => this.fail(error));
      redis.on("close", () => this.fail(new Error("the connection was closed")));
    }
    this.#messages.on("message", (_channel, text) => this.#deps.onMessage(text));
    const given = Promise.withResolvers<never>();
    const onLost = (): void => given.reject(this.lost.reason);
    this.lost.addEventListener("abort", onLost, { once: true });
    const dialled = Promise.all([this.#dialCommands(), this.#dialMessages()]);
    const timeoutMs = Math.max(DIAL_TIMEOUT_MS, this.#options.answerTimeoutMs ?? 0);
    try {
      await this.answer(Promise.race([given.promise, dialled]), timeoutMs);
    } finally {
      this.lost.removeEventListener("abort", onLost);
    }
    await this.ping();
  }

  async #dialCommands(): Promise<void> {
    const redis = this.#commands;
    await this.#enter(redis);
    const [, runId = ""] = /^run_id:(\w+)/m.exec(await redis.info("server")) ?? [];
    this.#prefix = `${PREFIX}:${runId.slice(0, 12)}`;
    // A server that is full, or a replica, takes connections and no values.
    await redis.set(this.key("probe"), "", "PX", PROBE_MS);
  }

  async #dialMessages(): Promise<void> {
    await this.#enter(this.#messages);
    await this.#messages.subscribe(CHANNEL);
  }

  /** The password goes by hand: ioredis would write to the console that a server wants none. */
  async #enter(redis: Redis): Promise<void> {
    await redis.connect();
    const { password } = this.#options;
    if (password === undefined) return;
    try {
      await redis.auth(password);
    } catch (error) {
      if (!/without any password configured|no password is set/.test(messageOf(error))) throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#lost.abort(toRedisError(new Error("it was closed here"), this.#options));
    await Promise.all([close(this.#commands), close(this.#messages)]);
  }
}

function settingsOf({ host, port, tls }: RedisOptions): Settings {
  return {
    host,
    port,
    ...(tls ? { tls: {} } : {}),
    lazyConnect: true,
    connectTimeout: DIAL_TIMEOUT_MS,
    retryStrategy: () => null,
    enableOfflineQueue: false,
    enableReadyCheck: false,
    autoResubscribe: false,
    autoResendUnfulfilledCommands: false,
    disableClientInfo: true,
    keepAlive: 10_000,
  };
}

/** At once: the goodbye that ioredis says may wait for a server that is not there. */
async function close(redis: Redis): Promise<void> {
  if (redis.status === "end") return;
  const ended = new Promise((resolve) => redis.once("end", resolve));
  redis.disconnect();
  redis.stream?.destroy();
  await ended;
}
