import { writeFileSync } from "node:fs";
import path from "node:path";
import type { Test } from "tap";
import { demoModelWith } from "../fixtures/chat-template-file.ts";
import { TestCluster, until } from "../fixtures/cluster.ts";
import { type Ready, TestDaemon } from "../fixtures/daemon.ts";

/** What the tests of the official clients share: a cluster of three, and the questions that they ask it. */

export const MODEL = "tiny-chat";
export const SKY = "why is the sky blue?";
export const ANSWER =
  "The sky is blue because air scatters blue light from the sun more than red light.";
export const CITY = {
  type: "object",
  properties: { city: { type: "string", enum: ["Oslo", "Rome"] } },
  required: ["city"],
  additionalProperties: false,
};
/** Its answer takes so many tokens that nobody leaves after its end. */
export const LONG = {
  type: "array",
  minItems: 1_999,
  maxItems: 1_999,
  items: { const: "replica" },
};
/** What the model would write by itself to call a tool, had it learned to: a grammar makes it. */
export const CALL = {
  type: "object",
  properties: { name: { const: "get_weather" }, parameters: CITY },
  required: ["name", "parameters"],
  additionalProperties: false,
};
export const TOOL = {
  type: "function" as const,
  function: { name: "get_weather", description: "The weather of a city.", parameters: CITY },
};
export const WRONG_KEY = `omx_${"0".repeat(16)}_${"A".repeat(43)}`;

/** As the demo model was trained, and what Llama 3.2 has around it for tools. */
const TEMPLATE = `{%- if tools %}{{ 'Respond in the format {"name": function name, "parameters": {}}.' }}
{%- for tool in tools %}{{ tool | tojson }}{% endfor %}{% endif -%}
{%- for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}<|assistant|>
{#- <|start_header_id|> -#}`;

type Body = Readonly<Record<string, unknown>>;

export interface ClientNodes extends AsyncDisposable {
  /** Node 1, which holds the model, and node 3, for which it is remote. */
  readonly nodes: readonly [own: Ready, remote: Ready];
  readonly key: string;
  /** Resolves when one more request was left by its client, and no node runs any or lets one wait. */
  left(): Promise<void>;
}

/** Three nodes that ask for keys, the model on two of them with a single slot each. */
export async function clientNodes(): Promise<ClientNodes> {
  await using stack = new AsyncDisposableStack();
  const cluster = stack.use(await TestCluster.open());
  const file = path.join(cluster.folder, "model.gguf");
  writeFileSync(file, demoModelWith(TEMPLATE));
  await cluster.importDemo("a", file);
  await cluster.importDemo("b", file);
  const env = { OLLAMA_AUTH_MODE: "required", OLLAMA_NUM_PARALLEL: "1" };
  // Before there are nodes: whoever waits with a key that they do not know yet tries a wrong one.
  const key = await makeKey(cluster.databaseEnv());
  const daemons = ["a", "b", "c"].map((name) => cluster.start(name, env));
  const [a, b, c] = await Promise.all(daemons.map((daemon) => daemon.ready()));
  if (!a || !b || !c) throw new Error("three were started");
  const urls = [a, b, c].map(({ apiUrl }) => apiUrl);
  const wait = (url: string, wanted: (body: Body) => boolean) =>
    until(url, wanted, { Authorization: `Bearer ${key}` });
  for (const url of urls) {
    await wait(`${url}/api/cluster/replicas`, ({ replicas }) => Object(replicas).length === 2);
  }
  const opened = stack.move();
  let requests = 0;
  return {
    nodes: [a, c],
    key,
    async left() {
      requests++;
      await wait(`${a.apiUrl}/api/cluster/requests?status=failed`, (body) =>
        isLeft(body, requests),
      );
      for (const url of urls) await wait(`${url}/api/cluster/nodes`, isIdle);
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

async function makeKey(env: Readonly<Record<string, string>>): Promise<string> {
  await run(env, "migrate", "--up");
  const made = await run(env, "key", "create", "client", "--role", "operator", "--json");
  return (JSON.parse(made) as { readonly key: string }).key;
}

async function run(env: Readonly<Record<string, string>>, ...args: string[]): Promise<string> {
  await using command = new TestDaemon(env, args);
  const { code, stderr } = await command.ended;
  if (code !== 0) throw new Error(stderr);
  return command.output;
}

function isLeft({ requests }: Body, count: number): boolean {
  const rows = (requests ?? []) as readonly { readonly metadata: { readonly code?: string } }[];
  return rows.filter(({ metadata }) => metadata.code === "CANCELLED").length === count;
}

/** A node is the first in its own list. */
function isIdle({ nodes }: Body): boolean {
  const [self] = (nodes ?? []) as readonly {
    readonly load: { readonly running: number; readonly queued: number };
  }[];
  return self?.load.running === 0 && self.load.queued === 0;
}

/** Times and ids, by the names that the clients give them. */
const CHANGES =
  /^(id|.*_id|.*Id|created|.*_at|.*_duration|.*Duration|timestamp|headers|lc_kwargs)$/;

/** What must be the same of two answers. */
export function comparable(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (key, inner: unknown) =>
    CHANGES.test(key) ? undefined : inner,
  );
}

/** Asks it of a client of each node; the answer of node 1, once that of node 3 is the same. */
export async function sameOf<C, A>(
  t: Test,
  clients: readonly [own: C, remote: C],
  what: string,
  ask: (client: C) => Promise<A>,
): Promise<A> {
  const [own, remote] = [await ask(clients[0]), await ask(clients[1])];
  t.strictSame(comparable(remote), comparable(own), `${what}: the same from both nodes`);
  return own;
}

export async function collected<T>(stream: AsyncIterable<T>): Promise<T[]> {
  return await Array.fromAsync(stream);
}

/** What it was rejected with; a test that awaits this fails when it was not. */
export async function failureOf(asked: Promise<unknown>): Promise<unknown> {
  let answer: unknown;
  try {
    answer = await asked;
  } catch (error) {
    return error;
  }
  throw new Error(`was answered: ${JSON.stringify(answer)}`);
}

export function failuresOf(asked: readonly Promise<unknown>[]): Promise<unknown[]> {
  return Promise.all(asked.map(failureOf));
}
