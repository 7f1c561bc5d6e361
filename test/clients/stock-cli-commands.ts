import { createHash } from "node:crypto";
import { createReadStream, readFileSync } from "node:fs";
import path from "node:path";
import { GoClient, type StatusError } from "./go-client.ts";
import {
  CHAT_RESPONSE,
  EMBED_RESPONSE,
  GENERATE_RESPONSE,
  LIST_RESPONSE,
  PROCESS_RESPONSE,
  PROGRESS_RESPONSE,
  SHOW_RESPONSE,
} from "./go-types.ts";

type Answer = Readonly<Record<string, unknown>>;

/** A request as Go's structs encode it: every field without omitempty stands there, whether anybody set it or not. */
const GENERATE = { model: "", prompt: "", suffix: "", system: "", template: "" };
const SHOW = { model: "", system: "", template: "", verbose: false, options: null, name: "" };

export interface RunOptions {
  /** What `/set parameter` has set. */
  readonly options?: Readonly<Record<string, unknown>>;
  readonly format?: string;
  readonly keepAlive?: string;
  readonly think?: boolean | string;
}

/**
 * The calls that the commands of the `ollama` binary make (cmd/cmd.go and cmd/interactive.go of 0.33, api/types.go for the
 * bodies): it cannot be had where these tests run. Each command begins with a HEAD, to see whether a server is there. What
 * they return is what the binary shows.
 */
export class StockCli implements Disposable {
  readonly client: GoClient;

  constructor(url: string) {
    this.client = new GoClient(url);
  }

  async list(): Promise<readonly Answer[]> {
    return await this.#models("/api/tags", LIST_RESPONSE);
  }

  async ps(): Promise<readonly Answer[]> {
    return await this.#models("/api/ps", PROCESS_RESPONSE);
  }

  /** Its rows begin with the name and the first half of the digest. */
  async #models(path: string, type: typeof LIST_RESPONSE): Promise<readonly Answer[]> {
    await this.#heartbeat();
    const answer = await this.client.do("GET", path, undefined, type);
    const models = (answer?.["models"] ?? []) as readonly Answer[];
    for (const model of models) idOf(model["digest"]);
    return models;
  }

  async show(name: string, { verbose = false } = {}): Promise<Answer> {
    await this.#heartbeat();
    return await this.#details({ ...SHOW, verbose, name });
  }

  /** With a prompt: one that is not here is pulled, then it is loaded, then asked. */
  async run(model: string, prompt: string, o: RunOptions = {}): Promise<readonly Answer[]> {
    await this.#heartbeat();
    await this.#preload(model, o);
    return await this.client.stream(
      "/api/generate",
      {
        ...{ ...GENERATE, model, prompt },
        ...(o.format && { format: o.format }),
        ...(o.keepAlive && { keep_alive: o.keepAlive }),
        options: o.options ?? {},
        ...thinkOf(o),
      },
      GENERATE_RESPONSE,
    );
  }

  /** A turn of the interactive mode: the whole conversation goes there each time. */
  async chat(
    model: string,
    messages: readonly object[],
    o: RunOptions = {},
  ): Promise<readonly Answer[]> {
    await this.#heartbeat();
    await this.#preload(model, o);
    await this.client.do("GET", "/api/ps", undefined, PROCESS_RESPONSE);
    return await this.client.stream(
      "/api/chat",
      { model, messages, options: o.options ?? {}, ...thinkOf(o) },
      CHAT_RESPONSE,
    );
  }

  /** `run` with a model for embeddings. */
  async embed(model: string, input: string): Promise<Answer> {
    await this.#heartbeat();
    const body = { model, input, options: null };
    return (await this.client.do("POST", "/api/embed", body, EMBED_RESPONSE)) ?? {};
  }

  async #preload(model: string, o: RunOptions): Promise<void> {
    await this.#showOrPull(model);
    await this.#details({ ...SHOW, model });
    await this.#load(model, o);
  }

  async #showOrPull(model: string): Promise<void> {
    try {
      await this.#details({ ...SHOW, model });
    } catch (error) {
      if ((error as StatusError).status !== 404) throw error;
      await this.#pull(model);
    }
  }

  async #load(model: string, o: RunOptions): Promise<readonly Answer[]> {
    const keepAlive = o.keepAlive && { keep_alive: o.keepAlive };
    const body = { ...GENERATE, model, ...keepAlive, options: null, ...thinkOf(o) };
    return await this.client.stream("/api/generate", body, GENERATE_RESPONSE);
  }

  async stop(model: string): Promise<readonly Answer[]> {
    await this.#heartbeat();
    await this.#details({ ...SHOW, model });
    return await this.#load(model, { keepAlive: "0s" });
  }

  async cp(source: string, destination: string): Promise<void> {
    await this.#heartbeat();
    await this.client.do("POST", "/api/copy", { source, destination });
  }

  /** Stops the model first; that it cannot be found is told by what comes then. */
  async rm(name: string): Promise<void> {
    try {
      await this.stop(name);
    } catch (error) {
      if (!(error as Error).message.toLowerCase().includes("not found")) throw error;
    }
    await this.client.do("DELETE", "/api/delete", { model: "", name });
  }

  async pull(name: string): Promise<readonly Answer[]> {
    await this.#heartbeat();
    return await this.#pull(name);
  }

  async #pull(name: string): Promise<readonly Answer[]> {
    const body = { model: "", insecure: true, username: "", password: "", name };
    return barred(await this.client.stream("/api/pull", body, PROGRESS_RESPONSE));
  }

  async push(name: string): Promise<readonly Answer[]> {
    await this.#heartbeat();
    // Only for models of ollama.com: names without a host.
    if (!name.includes(":")) await this.client.do("POST", "/api/me");
    const body = { model: "", insecure: true, username: "", password: "", name };
    return barred(await this.client.stream("/api/push", body, PROGRESS_RESPONSE));
  }

  /** `files`: what FROM names on this machine. They are sent first, without asking whether they are there. */
  async create(
    model: string,
    request: { readonly files?: readonly string[]; readonly [field: string]: unknown },
  ): Promise<readonly Answer[]> {
    await this.#heartbeat();
    const { files = [], quantize, from, ...rest } = request;
    const digests: Record<string, string> = {};
    for (const file of files) {
      const digest = `sha256:${createHash("sha256").update(readFileSync(file)).digest("hex")}`;
      await this.client.do("POST", `/api/blobs/${digest}`, createReadStream(file));
      digests[path.basename(file)] = digest;
    }
    const body = {
      model,
      ...(quantize ? { quantize } : {}),
      ...(from ? { from } : {}),
      ...(files.length > 0 && { files: digests }),
      ...rest,
      name: "",
    };
    return barred(await this.client.stream("/api/create", body, PROGRESS_RESPONSE));
  }

  async #heartbeat(): Promise<void> {
    await this.client.do("HEAD", "/");
  }

  async #details(body: object): Promise<Answer> {
    const answer = await this.client.do("POST", "/api/show", body, SHOW_RESPONSE);
    if (!answer) throw new Error("show answered nothing");
    return answer;
  }

  [Symbol.dispose](): void {
    this.client[Symbol.dispose]();
  }
}

const thinkOf = ({ think }: RunOptions) => (think === undefined ? {} : { think });

/** Bars are named by characters 7 to 19 of the digest; a shorter one ends the program. */
function barred(lines: readonly Answer[]): readonly Answer[] {
  for (const { digest } of lines) {
    if (digest !== undefined && String(digest).length < 19) throw new Error(`short: ${digest}`);
  }
  return lines;
}

function idOf(digest: unknown): string {
  const text = String(digest);
  if (text.length < 12) throw new Error(`slice bounds out of range: ${text}`);
  return text.slice(0, 12);
}
