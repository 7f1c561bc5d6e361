import net from "node:net";
import postgres from "postgres";
import { isAway } from "./errors.ts";
import type { PoolOptions } from "./options.ts";

/** Integers of 64 bits come as bigint. */
export type Sql = postgres.Sql<{ bigint: bigint }>;
export type Transaction = postgres.TransactionSql<{ bigint: bigint }>;

const CONNECT_TIMEOUT_MS = 5_000;
const STATEMENT_TIMEOUT_MS = 15_000;
/** postgres.js waits this long before it dials again; its own default grows until a node takes minutes to come back. */
const REDIAL_SECONDS = 0.2;

const socketsOf = new WeakMap<Sql, ReadonlySet<net.Socket>>();

/** A pool; nothing connects before the first statement. */
export function connect(options: PoolOptions): Sql {
  const sockets = new Set<net.Socket>();
  const settings = {
    host: options.host,
    port: options.port,
    database: options.database,
    username: options.user,
    ...(options.password === undefined ? {} : { password: options.password }),
    ssl: tlsOf(options),
    max: options.connectionsMax,
    idle_timeout: options.idleTimeoutMs / 1_000,
    max_lifetime: options.lifetimeMaxMs / 1_000,
    connect_timeout: (options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS) / 1_000,
    backoff: () => REDIAL_SECONDS,
    connection: {
      application_name: "ollamamax",
      statement_timeout: options.statementTimeoutMs ?? STATEMENT_TIMEOUT_MS,
    },
    types: { bigint: postgres.BigInt },
    // The driver asks for the array types by itself on each connection, and nobody catches what that query throws when the
    // server dies: it would end the process. So arrays travel as JSON.
    fetch_types: false,
    onnotice: () => {},
    socket: () => openSocket(options, sockets),
  };
  const sql: Sql = postgres(settings);
  socketsOf.set(sql, sockets);
  return sql;
}

/** Of an address the driver would have Node check that the certificate is for "localhost" (node:tls, with a socket and no host). */
function tlsOf({ sslMode, host }: PoolOptions): false | "prefer" | "require" | { host: string } {
  if (sslMode === "disable") return false;
  return sslMode === "verify-full" ? { host } : sslMode;
}

/** The driver writes at once, and the socket keeps that until it is connected. */
function openSocket({ host, port }: PoolOptions, sockets: Set<net.Socket>): net.Socket {
  for (const old of sockets) if (old.destroyed) sockets.delete(old);
  const socket = net.connect({ host, port });
  sockets.add(socket);
  const lost = (): Error =>
    Object.assign(new Error(`the connection to ${host}:${port} was closed`), {
      code: "CONNECTION_CLOSED",
    });
  // Of a server that hangs up before it has said anything the driver tells nobody: it dials again for ever.
  socket.once("end", () => socket.destroy(lost()));
  // A statement written between an error and the close that follows is one that the driver forgets: tell it again.
  socket.once("close", (hadError) => hadError && socket.emit("error", lost()));
  // From it the driver takes the name that a certificate must be for.
  return Object.assign(socket, { host, port });
}

/** Connections that stand, also those that still log in. */
export function openConnections(sql: Sql): number {
  const sockets = [...(socketsOf.get(sql) ?? [])];
  return sockets.filter(({ destroyed, connecting }) => !destroyed && !connecting).length;
}

/**
 * Ends the connections, those in use when the time is over. The driver only says goodbye to the server; one that does not
 * answer would keep this process alive.
 */
export async function disconnect(sql: Sql, graceMs = 0): Promise<void> {
  await sql.end({ timeout: graceMs / 1_000 });
  for (const socket of socketsOf.get(sql) ?? []) drop(socket);
}

/**
 * The driver takes its listeners off a socket that it wraps in TLS. If that one were destroyed by itself, what TLS still has to
 * write would fail, and Node tells that after the close, when nobody listens any more: it ends the process. Told that its
 * socket has closed, TLS ends first, and the socket with it.
 */
function drop(socket: net.Socket): void {
  const isWrapped = socket.listenerCount("drain") === 0;
  if (isWrapped && !socket.destroyed) socket.emit("close", false);
  socket.destroy();
}

/**
 * Throws when a pool of one connection has lost it. A transaction that leaves its connection alone for a while asks before it
 * goes on: the driver would write to what is not there any more, which ends the process.
 */
export function requireConnected(sql: Sql): void {
  const lost = [...(socketsOf.get(sql) ?? [])].some(({ destroyed }) => destroyed);
  if (!lost) return;
  throw Object.assign(new Error("the connection to the database was lost"), {
    code: "CONNECTION_CLOSED",
  });
}

/**
 * The driver's own `begin` answers every failure with a rollback, and writing one to a connection that has just closed ends
 * the process (postgres 3.4.9, connection.js, nextWrite). So when the connection is lost its callback never learns of it.
 */
export async function transaction<T>(sql: Sql, work: (tx: Transaction) => Promise<T>): Promise<T> {
  const lost = Promise.withResolvers<never>();
  const begun = sql.begin(async (tx) => {
    try {
      return { value: await work(tx) };
    } catch (error) {
      if (!isAway(error)) throw error;
      lost.reject(error);
      return await new Promise<never>(() => {});
    }
  });
  const { value } = await Promise.race([begun, lost.promise]);
  return value;
}
