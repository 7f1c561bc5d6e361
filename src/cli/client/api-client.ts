import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { AppError, messageOf } from "../../core/errors.ts";
import { HOST_FORMS, hostUrl } from "../../node/config/parsers.ts";

export type Json = Readonly<Record<string, unknown>>;

const DEFAULT_PORT = 11434;

export type ClientErrorCode = "NODE_UNREACHABLE" | "NODE_REFUSED" | "NODE_STOPPED";

/** The objects of a list; none of what is no list. */
export function entriesOf(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value : [];
}

/** What a node's API said, or that none answered. */
export class ClientError extends AppError<ClientErrorCode> {
  readonly status: number | undefined;

  constructor(code: ClientErrorCode, message: string, status?: number) {
    super(code, message);
    this.status = status;
  }
}

/** Calls the API of the node at OLLAMA_HOST, as Ollama's own commands do. */
export class ApiClient {
  readonly url: string;
  readonly #key: string | undefined;

  private constructor(url: string, key: string | undefined) {
    this.url = url;
    this.#key = key;
  }

  static of(env: NodeJS.ProcessEnv): ApiClient {
    return new ApiClient(nodeUrl(env["OLLAMA_HOST"] ?? ""), env["OLLAMA_API_KEY"] || undefined);
  }

  async get(path: string, signal?: AbortSignal): Promise<Json> {
    return await jsonOf(await this.#call("GET", path, undefined, signal));
  }

  async send(
    method: "POST" | "DELETE",
    path: string,
    body: Json,
    signal?: AbortSignal,
  ): Promise<Json> {
    return await jsonOf(await this.#call(method, path, body, signal));
  }

  /** Whether the path is there, by HEAD. */
  async has(path: string, signal: AbortSignal): Promise<boolean> {
    const { ok, status } = await this.#fetch(path, { method: "HEAD", headers: this.#auth, signal });
    if (!ok && status !== 404) throw refused(status, `${status} at HEAD ${path}`);
    return ok;
  }

  async upload(path: string, body: Readable, signal: AbortSignal): Promise<void> {
    const response = await this.#fetch(path, {
      ...{ method: "POST", headers: this.#auth, signal, duplex: "half" },
      body: Readable.toWeb(body),
    });
    if (!response.ok) throw await refusedBy(response);
  }

  get #auth(): Readonly<Record<string, string>> {
    return this.#key ? { Authorization: `Bearer ${this.#key}` } : {};
  }

  /** The objects of a streamed answer. One that says `error` is thrown. */
  async *stream(path: string, body: Json, signal?: AbortSignal): AsyncGenerator<Json> {
    const response = await this.#call("POST", path, body, signal);
    if (!response.body) return;
    const input = Readable.fromWeb(response.body);
    try {
      for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
        if (line === "") continue;
        const item = parse(line);
        if (typeof item["error"] === "string") throw new ClientError("NODE_REFUSED", item["error"]);
        yield item;
      }
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof ClientError) throw error;
      throw new ClientError(
        "NODE_STOPPED",
        `${this.url} stopped in the middle (${reasonOf(error)}): try again`,
      );
    } finally {
      input.destroy();
    }
  }

  async #call(
    method: string,
    path: string,
    body: Json | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Response> {
    const response = await this.#fetch(path, {
      method,
      headers: {
        ...(body && { "Content-Type": "application/json" }),
        ...this.#auth,
      },
      ...(body && { body: JSON.stringify(body) }),
      ...(signal && { signal }),
    });
    if (response.ok) return response;
    throw await refusedBy(response);
  }

  async #fetch(path: string, init: RequestInit): Promise<Response> {
    try {
      return await fetch(this.url + path, init);
    } catch (error) {
      init.signal?.throwIfAborted();
      throw new ClientError("NODE_UNREACHABLE", whyUnreachable(this.url, error));
    }
  }
}

/** Ollama's forms: host, host:port, a URL; without a port 11434, or the scheme's own where there is a scheme. */
export function nodeUrl(text: string): string {
  const url = hostUrl(text, DEFAULT_PORT);
  if (url !== undefined) return url;
  const problem = `OLLAMA_HOST=${JSON.stringify(text)} is no address`;
  throw new AppError("USAGE", `${problem}: it must be ${HOST_FORMS}`);
}

/** What OpenSSL says of what is no TLS, such as an HTTP server's 400. */
const NO_TLS = /^(EPROTO|ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST))$/;
/** What Node says of a certificate that it does not trust. */
const BAD_CERTIFICATE = /CERT|SIGNATURE|ALTNAME/;

/** One line: OpenSSL's own texts have several, with the place in its source. */
function whyUnreachable(url: string, error: unknown): string {
  const code = codeOf(causeOf(error));
  if (NO_TLS.test(code)) {
    return `what answers at ${url} does not speak HTTPS: set OLLAMA_HOST to ${url.replace(/^https/, "http")}`;
  }
  const reason = reasonOf(error);
  if (BAD_CERTIFICATE.test(code)) {
    return `the certificate of ${url} is not trusted (${reason}): NODE_EXTRA_CA_CERTS names a file with its authority`;
  }
  return `no node answers at ${url} (${reason}): start one with \`ollamamax up\`, or set OLLAMA_HOST to one that runs`;
}

function reasonOf(error: unknown): string {
  const cause = causeOf(error);
  return messageOf(cause).split("\n")[0] || codeOf(cause);
}

/** What fetch itself says is "fetch failed", or "terminated". */
function causeOf(error: unknown): unknown {
  return error instanceof Error && error.cause ? error.cause : error;
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? `${error.code}` : "";
}

async function refusedBy(response: Response): Promise<ClientError> {
  const { status, statusText } = response;
  return refused(status, reasonIn(await response.text()) ?? `${status} ${statusText}`);
}

function refused(status: number, reason: string): ClientError {
  return new ClientError("NODE_REFUSED", reason + nextStep(status, reason), status);
}

function nextStep(status: number, reason: string): string {
  if (status === 401) return " (OLLAMA_API_KEY takes it)";
  const isModelMissing = status === 404 && /^model ['"].*['"] not found$/.test(reason);
  return isModelMissing ? ": `ollamamax list` lists those that there are" : "";
}

async function jsonOf(response: Response): Promise<Json> {
  const text = await response.text();
  return text.trim() === "" ? {} : parse(text);
}

function parse(text: string): Json {
  try {
    const value: unknown = JSON.parse(text);
    if (isRecord(value)) return value;
  } catch {
    // Said below.
  }
  throw new ClientError("NODE_STOPPED", `what answers is no node: ${text.slice(0, 80)}`);
}

function reasonIn(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) && typeof value["error"] === "string" ? value["error"] : undefined;
  } catch {
    return text.trim() === "" ? undefined : text.trim().slice(0, 200);
  }
}

function isRecord(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
