import { once } from "node:events";
import type { Server, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { createAdaptorServer } from "@hono/node-server";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { AppError } from "../core/errors.ts";
import type { Waiting } from "../core/ports.ts";
import { writeWhole } from "./http/whole-reply.ts";

export class ApiError extends AppError<"PORT_TAKEN" | "ADDRESS_UNUSABLE"> {}

type Answer = Pick<ServerResponse, "headersSent">;
type Served = Parameters<Parameters<typeof createAdaptorServer>[0]["fetch"]>;
type Fetch = (...served: Served) => Response | Promise<Response>;

const HEADER_BYTES_MAX = 64 * 1024;
const KEEP_ALIVE_MS = 75_000;
const TOO_SLOW = "ERR_HTTP_REQUEST_TIMEOUT";
const STATUS_OF_ERROR: Readonly<Record<string, string>> = {
  [TOO_SLOW]: "408 Request Timeout",
  HPE_CHUNK_EXTENSIONS_OVERFLOW: "413 Payload Too Large",
  HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
};
/** A model's file may take hours. */
const LONG_BODIES = /^\/api\/blobs\//;

/** How long a client has to send its headers, and all of its body; and how often it is looked at. */
export interface SendingLimits {
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly checkIntervalMs: number;
}
const SENDING_LIMITS: SendingLimits = {
  headersTimeoutMs: 30_000,
  requestTimeoutMs: 300_000,
  checkIntervalMs: 10_000,
};

/** An HTTP server, and what runs on it. */
export class Listener implements AsyncDisposable {
  readonly url: string;
  readonly #server: Server;
  #active = 0;
  #onIdle: () => void = () => {};

  private constructor(server: Server, url: string) {
    this.#server = server;
    this.url = url;
    const answering = new WeakMap<Duplex, { readonly long: boolean; readonly response: Answer }>();
    server.on("clientError", (error, socket) => {
      const under = answering.get(socket);
      // The route itself gives up a client that sends nothing.
      if (systemCode(error) === TOO_SLOW && under?.long) return;
      cutOff(socket, systemCode(error), under?.response.headersSent ?? false);
    });
    server.on("request", ({ socket, url: path = "" }, response) => {
      this.#active++;
      answering.set(socket, { long: LONG_BODIES.test(path), response });
      response.once("close", () => {
        answering.delete(socket);
        this.#active--;
        if (this.#active === 0) this.#onIdle();
      });
    });
  }

  static async open(
    options: {
      readonly host: string;
      readonly port: number;
      /** The setting that whoever finds the port taken can change. */
      readonly variable: string;
      readonly sending?: SendingLimits;
    },
    fetch: Fetch,
  ): Promise<Listener> {
    const { host, port, variable, sending = SENDING_LIMITS } = options;
    const server = createAdaptorServer({
      fetch: async (request, env) => {
        const response = await fetch(request, env);
        return writeWhole(response, env.outgoing as ServerResponse)
          ? RESPONSE_ALREADY_SENT
          : response;
      },
      // Of a request that names no host, as HTTP/1.0 has it: for whoever asks whether a server runs.
      hostname: "localhost",
      // The global Request and Response belong to whoever else runs in this process.
      overrideGlobalObjects: false,
      serverOptions: {
        maxHeaderSize: HEADER_BYTES_MAX,
        headersTimeout: sending.headersTimeoutMs,
        requestTimeout: sending.requestTimeoutMs,
        connectionsCheckingInterval: sending.checkIntervalMs,
        keepAliveTimeout: KEEP_ALIVE_MS,
      },
    }) as Server;
    server.listen({ host, port });
    try {
      await once(server, "listening");
    } catch (error) {
      throw explain(error, host, port, variable);
    }
    const address = server.address();
    const bound = typeof address === "object" && address ? address.port : port;
    return new Listener(server, `http://${urlHost(host)}:${bound}`);
  }

  /** Resolves when nothing runs, or the signal aborts. New connections are still taken, to be told to go elsewhere. */
  async idle({ signal }: Waiting): Promise<void> {
    if (this.#active === 0 || signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const onAbort = (): void => resolve();
    this.#onIdle = resolve;
    signal.addEventListener("abort", onAbort, { once: true });
    await promise;
    signal.removeEventListener("abort", onAbort);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}

/** As Node does where nobody listens. */
function cutOff(socket: Duplex, code: string | undefined, hasBegun: boolean): void {
  const status = STATUS_OF_ERROR[code ?? ""] ?? "400 Bad Request";
  if (socket.writable && !hasBegun) {
    socket.write(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`);
  }
  socket.destroy();
}

function systemCode(error: unknown): string | undefined {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : undefined;
}

function explain(error: unknown, host: string, port: number, variable: string): unknown {
  const code = systemCode(error);
  if (code === "EADDRINUSE") {
    return new ApiError(
      "PORT_TAKEN",
      `port ${port} is in use on ${host}: an Ollama or another node may hold it; stop that, or set ${variable} to another port`,
      { cause: error },
    );
  }
  if (code === "EADDRNOTAVAIL" || code === "EACCES" || code === "ENOTFOUND") {
    return new ApiError(
      "ADDRESS_UNUSABLE",
      `cannot listen on ${host}:${port} (${code}): set OLLAMA_HOST to an address of this machine and ${variable} to a port that this user may open`,
      { cause: error },
    );
  }
  return error;
}

/** What a client on this machine can call: the unspecified address is no destination. */
function urlHost(host: string): string {
  if (host === "0.0.0.0" || host === "::") return "127.0.0.1";
  return host.includes(":") ? `[${host}]` : host;
}
