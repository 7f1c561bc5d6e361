import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/log.ts";
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
const PASSWORD_FILE = "postgres-password";

/**
 * A real Postgres of our own under `<dataDir>/postgres`, on loopback, with a password that only this user can read. It
 * runs in a session of its own, so that the terminal's Ctrl-C does not reach it before its users have gone.
 */
export class EmbeddedPostgres implements AsyncDisposable {
  readonly address: {
    readonly host: string;
    readonly port: number;
    readonly database: string;
    readonly user: string;
    readonly password: string;
  };
  readonly #server: PostgresServer;

  private constructor(address: EmbeddedPostgres["address"], server: PostgresServer) {
    this.address = address;
    this.#server = server;
  }

  static async open(
    options: EmbeddedPostgresOptions,
    deps: { readonly clock: Clock; readonly log: Logger },
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
    const server = await PostgresServer.start(
      { binaries, folder, account, host: HOST, port },
      deps,
    );
    const address = { host: HOST, port, database: DATABASE, user: USER, password };
    try {
      await createDatabase(address);
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
    deps.log.info({ port, pid: server.pid }, "embedded Postgres runs");
    return new EmbeddedPostgres(address, server);
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
    await this.#server[Symbol.asyncDispose]();
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
  });
  try {
    const rows = await sql`select 1 from pg_database where datname = ${address.database}`;
    if (rows.length === 0) await sql`create database ${sql(address.database)}`;
  } finally {
    await disconnect(sql, 1_000);
  }
}
