const ANSWER_TIMEOUT_MS = 20_000;
const POLL_MS = 250;

/** What a node says, read as it comes. */
export interface Answer {
  readonly status: number;
  readonly node: string;
  readonly body: Record<string, unknown>;
}

export const NODES: Readonly<Record<string, number>> = {
  "node-1": 11434,
  "node-2": 11444,
  "node-3": 11454,
  "node-4": 11464,
};

let key = "";

/** From now on requests carry this key. */
export function callWith(newKey: string): void {
  key = newKey;
}

export async function ask(node: string, path: string, body?: object): Promise<Answer> {
  const response = await fetch(`http://127.0.0.1:${NODES[node]}${path}`, {
    signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    ...(key !== "" && { headers: { Authorization: `Bearer ${key}` } }),
    ...(body && { method: "POST", body: JSON.stringify(body) }),
  });
  return {
    status: response.status,
    node: response.headers.get("X-OllamaMax-Node") ?? "",
    body: (await response.json()) as Record<string, unknown>,
  };
}

/** One short chat; returns the name of the node that answered. */
export async function chat(node: string): Promise<string> {
  const {
    status,
    node: by,
    body,
  } = await ask(node, "/api/chat", {
    model: "tiny-chat",
    messages: [{ role: "user", content: "Say hello." }],
    stream: false,
    options: { num_predict: 16, temperature: 0 },
  });
  const { content } = (body["message"] ?? {}) as { content?: unknown };
  if (status !== 200 || typeof content !== "string" || content === "" || body["done"] !== true) {
    throw new Error(`${node} answered ${status}: ${JSON.stringify(body)}`);
  }
  return by;
}

export async function until<T>(
  what: string,
  timeoutMs: number,
  look: () => Promise<T | undefined | false>,
): Promise<T> {
  const endMs = performance.now() + timeoutMs;
  let problem = "";
  while (performance.now() < endMs) {
    try {
      const found = await look();
      if (found !== undefined && found !== false) return found;
    } catch (error) {
      problem = `: ${error instanceof Error ? error.message : error}`;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  throw new Error(`${what} did not come within ${timeoutMs / 1_000} s${problem}`);
}

/** How many chats went well, and what became of the others, until the work is done. */
export class Load {
  #stopped = false;
  #good = 0;
  readonly #bad: string[] = [];
  readonly #lanes: Promise<void>[];

  constructor(nodes: readonly string[], lanes: number) {
    this.#lanes = Array.from({ length: lanes }, (_, lane) =>
      this.#run(nodes[lane % nodes.length] ?? ""),
    );
  }

  async #run(node: string): Promise<void> {
    while (!this.#stopped) {
      try {
        await chat(node);
        this.#good++;
      } catch (error) {
        this.#bad.push(error instanceof Error ? error.message : String(error));
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
    }
  }

  get good(): number {
    return this.#good;
  }

  /** Throws unless all went well. */
  async end(): Promise<string> {
    this.#stopped = true;
    await Promise.all(this.#lanes);
    if (this.#bad.length > 0) {
      throw new Error(
        `${this.#bad.length} of ${this.#good + this.#bad.length} chats failed, first: ${this.#bad[0]}`,
      );
    }
    return `${this.#good} of ${this.#good} chats answered`;
  }
}
