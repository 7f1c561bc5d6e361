import { Agent, type IncomingMessage, request } from "node:http";
import type { Readable } from "node:stream";
import { type GoType, unmarshal } from "./go-types.ts";

/** What the stock client makes of an error's status and body. */
export class StatusError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Of version 0.33 on a PC with Linux, as its net/http writes it. */
const AGENT = "ollama/0.33.0 (amd64 linux) Go/go1.26.0";
/** Longer lines end its reader (api/client.go, maxBufferSize). */
const LINE_BYTES_MAX = 8_000_000;

/**
 * Ollama's api/client.go: each call with its headers in their order, on connections that are kept, each answer read as it
 * reads it.
 */
export class GoClient implements Disposable {
  readonly #base: string;
  readonly #agent = new Agent({ keepAlive: true });
  /** Which calls were made, for a test to see. */
  readonly calls: string[] = [];

  constructor(base: string) {
    this.#base = base;
  }

  /** One answer, decoded into the type; undefined when it has no body. */
  async do(method: string, path: string, body?: object | Readable, type?: GoType) {
    const response = await this.#send(method, path, "application/json", body);
    const text = (await bytesOf(response)).toString();
    const status = response.statusCode ?? 0;
    if (status >= 400) throw errorOf(status, text);
    return text === "" || !type ? undefined : unmarshal(text, type);
  }

  /** The lines of an answer, each decoded; whatever its Content-Type. */
  async stream(path: string, body: object, type: GoType): Promise<Record<string, unknown>[]> {
    const response = await this.#send("POST", path, "application/x-ndjson", body);
    const status = response.statusCode ?? 0;
    const values: Record<string, unknown>[] = [];
    for (const line of linesOf(await bytesOf(response))) {
      const { error } = errorIn(line, status);
      if (status >= 400) throw new StatusError(status, error ?? "");
      if (error) throw new Error(error);
      values.push(unmarshal(line, type));
    }
    return values;
  }

  #send(method: string, path: string, accept: string, body?: object | Readable) {
    this.calls.push(`${method} ${path}`);
    const isStream = body !== undefined && "pipe" in body;
    const text = body === undefined || isStream ? undefined : marshal(body);
    const headers = [
      ...["User-Agent", AGENT],
      ...(text === undefined ? [] : ["Content-Length", String(Buffer.byteLength(text))]),
      ...(isStream ? ["Transfer-Encoding", "chunked"] : []),
      ...["Accept", accept, "Content-Type", "application/json"],
      ...(method === "HEAD" ? [] : ["Accept-Encoding", "gzip"]),
    ];
    return new Promise<IncomingMessage>((resolve, reject) => {
      const url = new URL(path, this.#base);
      const outgoing = request(
        url,
        { method, agent: this.#agent, headers: ["Host", url.host, ...headers] },
        resolve,
      );
      outgoing.on("error", reject);
      if (isStream) body.pipe(outgoing);
      else outgoing.end(text);
    });
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}

/** As json.Marshal writes it: in the order of the fields, and safe within HTML. */
function marshal(value: object): string {
  return JSON.stringify(value).replaceAll(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

async function bytesOf(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** bufio.Scanner's: the last one needs no end, and an empty one counts. */
function linesOf(bytes: Buffer): string[] {
  const lines = bytes.toString().split("\n");
  if (lines.at(-1) === "") lines.pop();
  for (const line of lines) {
    if (Buffer.byteLength(line) >= LINE_BYTES_MAX) throw new Error("bufio.Scanner: token too long");
  }
  return lines.map((line) => line.replace(/\r$/, ""));
}

function errorIn(line: string, status: number): { readonly error?: string } {
  try {
    return JSON.parse(line) as { readonly error?: string };
  } catch {
    throw status >= 400 ? new StatusError(status, line) : new Error(line);
  }
}

function errorOf(status: number, text: string): StatusError {
  try {
    return new StatusError(status, (JSON.parse(text) as { readonly error: string }).error);
  } catch {
    return new StatusError(status, text);
  }
}
