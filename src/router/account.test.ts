import t from "tap";
import { digestOf, nodeOf } from "../../test/fixtures/fake-cluster.ts";
import { ManualClock } from "../../test/fixtures/manual-clock.ts";
import { MemoryPeers } from "../../test/fixtures/peer-streams.ts";
import { InferenceError } from "../core/errors.ts";
import type { EndedRequest } from "../core/history.ts";
import type { GenerateEvent, GenerateInput, GenerateRequest } from "../core/inference.ts";
import { silentLog } from "../core/log.ts";
import type { NodeId } from "../core/node-id.ts";
import type { Asking, Engine } from "../core/ports.ts";
import { seededRandom } from "../core/random.ts";
import { promptTexts } from "./account.ts";
import { Router } from "./router.ts";
import { servePeers } from "./serve-peers.ts";

const MODEL = digestOf("m");
const [HERE, THERE] = ["here", "there"] as [NodeId, NodeId];
const NAME = "registry.ollama.ai/library/m:latest";
const o: Asking = { signal: new AbortController().signal, modelName: NAME };
const REQUEST: GenerateRequest = {
  ...{ requestId: "r", model: MODEL, runner: {}, sampling: {} },
  input: { kind: "prompt", prompt: "why?" },
};
const END: GenerateEvent = {
  ...{ type: "end", reason: "stop", promptTokens: 3, tokens: 2, promptMs: 1, outputMs: 1 },
};
const died = new InferenceError("RUNNER_DIED", "the runner died");

type Script = (signal: AbortSignal) => AsyncGenerator<GenerateEvent>;

async function* answers(): AsyncGenerator<GenerateEvent> {
  yield { type: "text", text: "the ", tokens: 1 };
  yield { type: "text", text: "sky", tokens: 1 };
  yield END;
}
async function* breaks(): AsyncGenerator<GenerateEvent> {
  yield { type: "text", text: "the ", tokens: 1 };
  throw died;
}
async function* refuses(): AsyncGenerator<GenerateEvent> {
  yield* [];
  throw new InferenceError("INVALID_REQUEST", "cannot render: why is the sky blue?");
}
async function* waits(signal: AbortSignal): AsyncGenerator<GenerateEvent> {
  yield { type: "text", text: "the ", tokens: 1 };
  signal.throwIfAborted();
  await new Promise((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

function engineOf(script: Script): Engine {
  return {
    status: () => ({ slots: 4, running: 0, queued: 0, loaded: [] }),
    load: async () => ({ loadMs: 0 }),
    tokens: async () => ({ tokens: [], text: "", loadMs: 0 }),
    unload: async () => {},
    generate: (_request, { signal }) => script(signal),
    embed: async ({ inputs }) => ({
      ...{ vectors: inputs.map(() => [1]), promptTokens: inputs.length, loadMs: 0 },
    }),
  };
}

/** A router on the first node; the second serves it. */
function cluster(here: Script, there: Script, holders: readonly NodeId[] = [HERE, THERE]) {
  const peers = new MemoryPeers();
  const models = { describe: async () => undefined };
  servePeers({ streams: peers.node(THERE), engine: engineOf(there), models, log: silentLog });
  const self = nodeOf({ id: HERE, self: true });
  const recorded: EndedRequest[] = [];
  const router = Router.open({
    view: {
      ...{ self: () => self, nodes: () => [self, nodeOf({ id: THERE })] },
      ...{ changes: () => eventless(), observe: () => {} },
    },
    replicas: {
      holders: () => holders.map((node) => ({ node, state: "ready", ageMs: 0 })),
      doubt: () => {},
    },
    ...{ streams: peers.node(HERE), engine: engineOf(here), models },
    ...{ clock: new ManualClock(), random: seededRandom(1), log: silentLog },
    recorder: { record: (request) => recorded.push(request) },
  });
  return { router, recorded };
}

async function* eventless(): AsyncGenerator<never> {}

async function readAll(events: AsyncIterable<unknown>): Promise<void> {
  for await (const _event of events);
}

t.test("an answer is recorded once, where it was asked for", async (t) => {
  for (const holder of [HERE, THERE]) {
    const { router, recorded } = cluster(answers, answers, [holder]);
    await readAll(router.generate(REQUEST, o));
    t.match(recorded, [
      {
        ...{ requestId: "r", kind: "generate", model: MODEL, modelName: NAME, prompt: ["why?"] },
        ...{ responseLength: 7, promptTokens: 3, outputTokens: 2, nodes: [holder], attempts: 1 },
        ...{ strategy: "single", failure: undefined, arrivedAtMs: Date.UTC(2026, 0, 1) },
      },
    ]);
    t.equal(recorded.length, 1);
  }
});

t.test("who asked is recorded, when it is known", async (t) => {
  const { router, recorded } = cluster(answers, answers);
  await readAll(router.generate(REQUEST, { ...o, userId: "ann" }));
  await router.embed({ ...REQUEST, inputs: ["a"] }, { ...o, userId: "bob" });
  await readAll(router.generate(REQUEST, o));
  t.same(
    recorded.map(({ userId }) => userId),
    ["ann", "bob", undefined],
  );
});

t.test("an answer that another node went on with", async (t) => {
  const { router, recorded } = cluster(breaks, answers);
  await readAll(router.generate(REQUEST, o));
  t.match(recorded, [
    {
      strategy: "failover",
      attempts: 2,
      nodes: [HERE, THERE],
      outputTokens: 2,
      failure: undefined,
    },
  ]);
  t.equal(recorded.length, 1);
});

t.test("one that all nodes failed at", async (t) => {
  const { router, recorded } = cluster(breaks, breaks);
  await t.rejects(readAll(router.generate(REQUEST, o)), { code: "RUNNER_DIED" });
  t.match(recorded, [
    { attempts: 2, outputTokens: 2, failure: { code: "RUNNER_DIED", message: "the runner died" } },
  ]);
  t.equal(recorded.length, 1);
});

t.test("one that nobody can answer", async (t) => {
  const { router, recorded } = cluster(answers, answers, []);
  await t.rejects(readAll(router.generate(REQUEST, o)), { code: "MODEL_NOT_HERE" });
  t.match(recorded, [{ attempts: 0, nodes: [], failure: { code: "MODEL_NOT_HERE" } }]);
});

t.test("of a refusal that quotes the prompt only the code is kept", async (t) => {
  const { router, recorded } = cluster(refuses, refuses);
  await t.rejects(readAll(router.generate(REQUEST, o)), { message: /sky/ });
  t.match(recorded, [{ failure: { code: "INVALID_REQUEST", message: "" } }]);
});

t.test("a client that goes: by its signal, or by reading no further", async (t) => {
  const { router, recorded } = cluster(waits, waits);
  const gone = new AbortController();
  const reading = readAll(
    (async function* () {
      for await (const event of router.generate(REQUEST, { ...o, signal: gone.signal })) {
        if (event.type === "text") gone.abort();
        yield event;
      }
    })(),
  );
  await t.rejects(reading, { code: "CANCELLED" });
  for await (const event of router.generate(REQUEST, o)) if (event.type === "text") break;
  const left = { responseLength: 4, outputTokens: 1, failure: { code: "CANCELLED" } };
  t.match(recorded, [left, left]);
  t.equal(recorded.length, 2);
});

t.test("a reader that leaves at the end has its whole answer", async (t) => {
  const { router, recorded } = cluster(answers, answers);
  for await (const event of router.generate(REQUEST, o)) if (event.type === "end") break;
  t.match(recorded, [{ failure: undefined, outputTokens: 2 }]);
});

t.test("a prompt that is only rendered, a load and an unload are no inference", async (t) => {
  const { router, recorded } = cluster(answers, answers);
  await readAll(router.generate({ ...REQUEST, renderOnly: true }, o));
  await router.load(REQUEST, o);
  await router.unload(MODEL, o);
  t.same(recorded, []);
});

t.test("embeddings: one row, also of several nodes' shares", async (t) => {
  const { router, recorded } = cluster(answers, answers);
  const inputs = Array.from({ length: 40 }, (_, i) => `${i}`);
  const request = { requestId: "r", model: MODEL, runner: {} };
  await router.embed({ ...request, inputs }, o);
  await router.embed({ ...request, inputs: ["1"] }, o);
  const common = { kind: "embed", responseLength: 0, outputTokens: 0, failure: undefined };
  t.match(recorded, [
    { ...common, strategy: "data", attempts: 2, promptTokens: 40, prompt: inputs },
    { ...common, strategy: "single", attempts: 1, promptTokens: 1, prompt: ["1"] },
  ]);
  const empty = cluster(answers, answers, []);
  await t.rejects(empty.router.embed({ ...request, inputs }, o));
  t.match(empty.recorded, [{ kind: "embed", failure: { code: "MODEL_NOT_HERE" } }]);
});

t.test("the prompt is its texts", (t) => {
  const rows: readonly [GenerateInput, readonly string[]][] = [
    [{ kind: "prompt", prompt: "a" }, ["a"]],
    [{ kind: "prompt", prompt: "a", suffix: "b" }, ["a", "b"]],
    [
      {
        kind: "messages",
        messages: [
          { role: "system", content: "s" },
          { role: "user", content: "u", images: ["aaaa"], thinking: "t" },
        ],
      },
      ["s", "u"],
    ],
  ];
  for (const [input, texts] of rows) t.same(promptTexts(input), texts);
  t.end();
});
