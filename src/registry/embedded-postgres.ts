import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import type { Random } from "../core/random.ts";
import { backoffMs } from "../core/retry.ts";
import { connect, disconnect } from "./connect.ts";
import { databaseAccount, requireReach } from "./embedded/account.ts";
import { type Binaries, postgresBinaries } from "./embedded/binaries.ts";
import { choosePort } from "./embedded/port.ts";
import { initialise, PostgresServer, runningPort, stopLeftOver } from "./embedded/server.ts";

export interface EmbeddedPostgresOptions {
  /** Held by this process alone: a server found running in it is one that a killed run left behind. */
  readonly dataDir: string;
  /** 0: any free port. */
  readonly port: number;
  /** Of another installation; unset: those of the npm package. */
  readonly binaries?: Binaries;
}

const HOST = "127.0.0.1";
const DATABASE = "ollamamax";
const USER = "ollama_user";
const PASSWORD_BYTES = 24;
const FIRST_CONNECTION_TIMEOUT_MS = 60_000;
const PASSWORD_FILE = "postgres-password";
const PORT_TRIES_MAX = 5;
const RESTART = { firstMs: 500, maxMs: 10_000 };

export interface EmbeddedPostgresDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/**
 * A real Postgres of our own under `<dataDir>/postgres`, on loopback, with a password that only this user can read. It
 * runs in a session of its own, so that the terminal's Ctrl-C does not reach it before its users have gone. When it dies it
 * is started again, at the same place; when somebody stops it, it is not.
 */
export class EmbeddedPostgres implements AsyncDisposable {
  readonly address: {
    readonly host: string;
    readonly port: number;
    readonly database: string;
    readonly user: string;
    readonly password: string;
  };
  readonly #place: Place;
  readonly #deps: EmbeddedPostgresDeps;
  readonly #stopping = new AbortController();
  #server: PostgresServer;
  #watching: Promise<void> = Promise.resolve();

  private constructor(
    address: EmbeddedPostgres["address"],
    place: Place,
    server: PostgresServer,
    deps: EmbeddedPostgresDeps,
  ) {
    this.address = address;
    this.#place = place;
    this.#server = server;
    this.#deps = deps;
  }

  static async open(
    options: EmbeddedPostgresOptions,
    deps: EmbeddedPostgresDeps,
  ): Promise<EmbeddedPostgres> {
    const dataDir = path.resolve(options.dataDir);
    await mkdir(dataDir, { recursive: true });
    const account = databaseAccount();
    if (account) await requireReach(dataDir, account);
    const binaries = options.binaries ?? (await postgresBinaries(dataDir, account));
    const folder = path.join(dataDir, "postgres");
    const password = await ownPassword(path.join(dataDir, PASSWORD_FILE));
    await stopLeftOver(folder, deps.clock);
    const port = await choosePort(HOST, options.port);
    if (!existsSync(path.join(folder, "PG_VERSION"))) {
      await initialise({ binaries, folder, account, user: USER, password });
    }
    const { place, server } = await startAt(
      options.port,
      { binaries, folder, account, host: HOST, port },
      deps,
    );
    const address = { host: HOST, port: place.port, database: DATABASE, user: USER, password };
    try {
      await createDatabase(address);
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
    deps.log.info({ port: place.port, pid: server.pid }, "embedded Postgres runs");
    const postgres = new EmbeddedPostgres(address, place, server, deps);
    process.on("exit", postgres.#quit);
    postgres.#watching = postgres.#watch();
    return postgres;
  }

  /** Where the server that runs in this folder is, for a command beside the node; undefined when none runs. */
  static async find(dataDir: string): Promise<EmbeddedPostgres["address"] | undefined> {
    const port = runningPort(path.join(dataDir, "postgres"));
    const file = path.join(dataDir, PASSWORD_FILE);
    if (port === undefined || !existsSync(file)) return undefined;
    const password = (await readFile(file, "utf8")).trim();
    return { host: HOST, port, database: DATABASE, user: USER, password };
  }

  get pid(): number {
    return this.#server.pid;
  }

  /** Ends its connections and waits until it has written everything. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#server[Symbol.asyncDispose]();
    await this.#watching;
    process.off("exit", this.#quit);
  }

  /** However this process ends, unless it is killed, it leaves no server behind. */
  readonly #quit = (): void => this.#server.quit();

  async #watch(): Promise<void> {
    const { log } = this.#deps;
    const { signal } = this.#stopping;
    for (;;) {
      const how = await this.#server.exited;
      if (signal.aborted) return;
      if (how === "stopped") {
        log.warn(
          {},
          "embedded Postgres was stopped from outside; restart this process to have it again",
        );
        return;
      }
      log.error({ pid: this.#server.pid }, "embedded Postgres died; it is started again");
      const restarted = await this.#restart(signal);
      if (!restarted) return;
      this.#server = restarted;
      log.info({ pid: restarted.pid }, "embedded Postgres runs again");
    }
  }

  /** Undefined when this is being disposed. */
  async #restart(signal: AbortSignal): Promise<PostgresServer | undefined> {
    const { clock, random, log } = this.#deps;
    for (let attempt = 1; ; attempt++) {
      await clock.sleep(backoffMs(RESTART, attempt, random), signal).catch(() => {});
      if (signal.aborted) return undefined;
      try {
        await stopLeftOver(this.#place.folder, clock);
        const server = await PostgresServer.start(this.#place, { clock });
        if (!signal.aborted) return server;
        await server[Symbol.asyncDispose]();
      } catch (error) {
        log.error({ problem: messageOf(error) }, "embedded Postgres does not start again yet");
      }
    }
  }
}

type Place = Parameters<typeof PostgresServer.start>[0];

/** Any port that was free a moment ago may have been taken since: then it is another one. */
async function startAt(
  wanted: number,
  first: Place,
  deps: { readonly clock: Clock },
): Promise<{ readonly place: Place; readonly server: PostgresServer }> {
  let place = first;
  for (let tries = 1; ; tries++) {
    try {
      return { place, server: await PostgresServer.start(place, deps) };
    } catch (error) {
      const isTaken = /Address already in use/.test(messageOf(error));
      if (wanted !== 0 || !isTaken || tries === PORT_TRIES_MAX) throw error;
    }
    place = { ...place, port: await choosePort(HOST, wanted) };
  }
}

async function ownPassword(file: string): Promise<string> {
  if (existsSync(file)) return (await readFile(file, "utf8")).trim();
  const password = randomBytes(PASSWORD_BYTES).toString("base64url");
  await writeFile(`${file}.new`, `${password}\n`, { mode: 0o600, flush: true });
  await rename(`${file}.new`, file);
  return password;
}

async function createDatabase(address: EmbeddedPostgres["address"]): Promise<void> {
  const sql = connect({
    ...address,
    database: "postgres",
    sslMode: "disable",
    connectionsMax: 1,
    idleTimeoutMs: 1_000,
    lifetimeMaxMs: 60_000,
    // It has just said that it is ready: on a busy machine it may still be slow to take the first one.
    connectTimeoutMs: FIRST_CONNECTION_TIMEOUT_MS,
  });
  try {
    const rows = await sql`select 1 from pg_database where datname = ${address.database}`;
    if (rows.length === 0) await sql`create database ${sql(address.database)}`;
  } finally {
    await disconnect(sql, 1_000);
  }
}
