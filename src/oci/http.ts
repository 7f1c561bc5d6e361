import { once } from "node:events";
import http, {
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
} from "node:http";
import https from "node:https";
import type { Clock } from "../core/clock.ts";
import type { Waiting } from "../core/ports.ts";
import { TransferError } from "./errors.ts";

export interface OutgoingBody {
  readonly sizeBytes: number;
  /** Called anew for each try. */
  open(o: Waiting): AsyncIterable<Uint8Array>;
}

export interface Outgoing {
  readonly method: "GET" | "HEAD" | "POST" | "PATCH" | "PUT";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: OutgoingBody;
}

/** Disposal ends the connection unless the body has been read to its end. */
export interface Incoming extends Disposable {
  readonly url: URL;
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: AsyncIterable<Uint8Array>;
}

/** A server that means to refuse or redirect a body says so at once; one that knows nothing of `Expect` says nothing (RFC 9110 §10.1.1). */
const CONTINUE_MS = 1_000;

/** One request, one answer: no redirects, no retries but that of a kept connection that the server closed meanwhile. */
export async function send(outgoing: Outgoing, clock: Clock, o: Waiting): Promise<Incoming> {
  try {
    return await exchange(outgoing, clock, o);
  } catch (error) {
    o.signal.throwIfAborted();
    if (error instanceof StaleConnection) return exchange(outgoing, clock, o);
    throw error;
  }
}

/** Node reuses a connection that the server may be closing: its own advice is to try again (http, `request.reusedSocket`). */
class StaleConnection extends TransferError {}

function exchange(outgoing: Outgoing, clock: Clock, { signal }: Waiting): Promise<Incoming> {
  const { method, url, headers, body } = outgoing;
  signal.throwIfAborted();
  const length = body === undefined ? {} : { "Content-Length": String(body.sizeBytes) };
  const request = (url.protocol === "https:" ? https : http).request(url, {
    method,
    headers: { ...headers, ...length },
    signal,
    // What cannot be repeated never goes out over a connection that may be closing.
    ...(method === "GET" || method === "HEAD" ? {} : { agent: false }),
  });
  return new Promise((resolve, reject) => {
    request.on("response", (response) => resolve(incoming(url, response)));
    request.on("error", (error) => reject(failure(error, request, url, signal)));
    if (!body) request.end();
    else {
      writeBody(request, body, clock, signal).catch((error: unknown) => {
        reject(signal.aborted ? signal.reason : error);
        request.destroy();
      });
    }
  });
}

/** Stops as soon as there is an answer: nobody reads the rest. */
async function writeBody(
  request: ClientRequest,
  body: OutgoingBody,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const answered = new AbortController();
  for (const event of ["response", "close"]) request.once(event, () => answered.abort());
  try {
    const waiting = { signal: AbortSignal.any([signal, answered.signal]) };
    if (request.getHeader("Expect") !== undefined) await continued(request, clock, waiting.signal);
    for await (const bytes of body.open(waiting)) {
      waiting.signal.throwIfAborted();
      if (!request.write(bytes)) await once(request, "drain", waiting);
    }
    request.end();
  } catch (error) {
    if (!answered.signal.aborted) throw error;
  }
}

async function continued(request: ClientRequest, clock: Clock, signal: AbortSignal): Promise<void> {
  const done = new AbortController();
  request.once("continue", () => done.abort());
  request.flushHeaders();
  await clock.sleep(CONTINUE_MS, AbortSignal.any([signal, done.signal])).catch(() => {});
  signal.throwIfAborted();
  done.abort();
}

function failure(error: Error, request: ClientRequest, url: URL, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  const code = "code" in error && typeof error.code === "string" ? error.code : error.message;
  const Failure = request.reusedSocket && code === "ECONNRESET" ? StaleConnection : TransferError;
  return new Failure("CONNECTION_FAILED", unreachable(url, code, error.message), { cause: error });
}

/** OpenSSL's words for an answer that is no TLS. */
const NO_TLS = /wrong version number|packet length too long|http request/i;

/** One line that says what to do where that is known. OpenSSL's own texts name the place in its source. */
export function unreachable({ host, hostname, protocol }: URL, code: string, text: string): string {
  if (protocol === "https:" && NO_TLS.test(`${code.replaceAll("_", " ")} ${text}`)) {
    return `cannot reach ${host}: it seems to speak plain HTTP: use --insecure`;
  }
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") {
    return `cannot reach ${host}: the name ${hostname} cannot be resolved (${code}), check it and the DNS`;
  }
  const [reason = ""] = code.split("\n");
  return `cannot reach ${host} (${reason})`;
}

function incoming(url: URL, response: IncomingMessage): Incoming {
  return {
    url,
    status: response.statusCode ?? 0,
    headers: response.headers,
    body: bytesOf(response, url),
    [Symbol.dispose]: () => {
      if (!response.readableEnded) response.destroy();
    },
  };
}

async function* bytesOf(response: IncomingMessage, url: URL): AsyncIterable<Uint8Array> {
  try {
    for await (const bytes of response) yield bytes;
  } catch (cause) {
    throw new TransferError("CUT_OFF", `${url.host} ended the connection before the last byte`, {
      cause,
    });
  }
}

/** The rest is left unread: `isWhole` says whether there was any. */
export async function readAtMost(
  { body }: Incoming,
  bytesMax: number,
): Promise<{ readonly bytes: Buffer; readonly isWhole: boolean }> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    sizeBytes += chunk.length;
    if (sizeBytes > bytesMax) {
      return { bytes: Buffer.concat(chunks).subarray(0, bytesMax), isWhole: false };
    }
  }
  return { bytes: Buffer.concat(chunks), isWhole: true };
}
