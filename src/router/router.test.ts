import t from "tap";
import { digestOf, nodeOf } from "../../test/fixtures/fake-cluster.ts";
import { ManualClock } from "../../test/fixtures/manual-clock.ts";
import { MemoryPeers } from "../../test/fixtures/peer-streams.ts";
import { InferenceError } from "../core/errors.ts";
import type { GenerateEvent } from "../core/inference.ts";
import { silentLog } from "../core/log.ts";
import type { NodeId } from "../core/node-id.ts";
import type { NodeView } from "../core/node-view.ts";
import type { Engine, Waiting } from "../core/ports.ts";
import { seededRandom } from "../core/random.ts";
import { Router } from "./router.ts";
import { servePeers } from "./serve-peers.ts";

const MODEL = digestOf("m");
const HERE = "here" as NodeId;
const PEERS = ["one", "two"] as NodeId[];
const o: Waiting = { signal: new AbortController().signal };
const LOADED: NodeView["loaded"] = [
  { model: MODEL, sizeBytes: 1, vramBytes: 0, contextLength: 1, expiresInMs: 1 },
];

/** Answers everything, and keeps what it was asked. */
class FakeEngine implements Engine {
  readonly calls: string[] = [];
  failure: InferenceError | undefined;
  endless = false;

  status() {
    return { slots: 4, running: 0, queued: 0, loaded: [] };
  }

  async load() {
    this.#called("load");
    return { loadMs: 5 };
  }

  async unload() {
    this.#called("unload");
  }

  async embed({ inputs }: { readonly inputs: readonly string[] }) {
    this.#called(`embed ${inputs.length}`);
    return {
      vectors: inputs.map((input) => [Number(input)]),
      promptTokens: inputs.length,
      loadMs: 0,
    };
  }

  async tokens() {
    this.#called("tokens");
    return { tokens: [1, 2], text: "ab", loadMs: 0 };
  }

  async *generate(_request: unknown, { signal }: Waiting): AsyncIterable<GenerateEvent> {
    this.#called("generate");
    try {
      yield { type: "text", text: "hello", tokens: 1 };
      while (this.endless) {
        signal.throwIfAborted();
        await new Promise((resolve) => setImmediate(resolve));
      }
      yield { type: "end", reason: "stop", promptTokens: 1, tokens: 1, promptMs: 1, outputMs: 1 };
    } finally {
      this.#called("left");
    }
  }

  #called(what: string): void {
    this.calls.push(what);
    if (this.failure) throw this.failure;
  }
}

function cluster(views: Partial<Record<string, Partial<NodeView>>> = {}, holders = PEERS) {
  const peers = new MemoryPeers();
  const engines = new Map<NodeId, FakeEngine>();
  for (const id of PEERS) {
    const engine = new FakeEngine();
    engines.set(id, engine);
    const describe = async () => ({ modelfile: `of ${id}` });
    servePeers({ streams: peers.node(id), engine, models: { describe }, log: silentLog });
  }
  const own = new FakeEngine();
  const nodes = [
    nodeOf({ id: HERE, self: true }),
    ...PEERS.map((id) => nodeOf({ id, ...views[id] })),
  ];
  const router = Router.open({
    view: {
      ...{ self: () => nodeOf({ id: HERE, self: true }), nodes: () => nodes },
      ...{ changes: () => eventless(), observe: () => {} },
    },
    replicas: {
      holders: () => holders.map((node) => ({ node, state: "ready", ageMs: 0 })),
      doubt: () => {},
    },
    ...{ streams: peers.node(HERE), engine: own, models: { describe: async () => undefined } },
    ...{ clock: new ManualClock(), random: seededRandom(1), log: silentLog },
  });
  const callsOf = (id: string) => engines.get(id as NodeId)?.calls;
  return { router, peers, engines, own, callsOf };
}

async function* eventless(): AsyncGenerator<never> {}

t.test(
  "unloads here, and on every holder, whether or not it has said that it loaded",
  async (t) => {
    const { router, own, callsOf, engines } = cluster({ one: { loaded: LOADED } });
    await router.unload(MODEL, o);
    t.same([own.calls, callsOf("one"), callsOf("two")], [["unload"], ["unload"], ["unload"]]);
    const broken = new InferenceError("RUNNER_DIED", "it died");
    for (const engine of engines.values()) engine.failure = broken;
    await t.rejects(router.unload(MODEL, o), { code: "RUNNER_DIED" }, "one had it");
    const quiet = cluster();
    for (const engine of quiet.engines.values()) engine.failure = broken;
    await t.resolves(quiet.router.unload(MODEL, o), "nobody said to have it");
  },
);

t.test("asks no node that has gone to unload", async (t) => {
  const { router, callsOf, peers } = cluster({ one: { loaded: LOADED, health: "failed" } });
  peers.kill("one" as NodeId);
  await router.unload(MODEL, o);
  t.same([callsOf("one"), callsOf("two")], [[], ["unload"]]);
});

t.test(
  "a node that was given up is asked when nobody else has the model, and only then",
  async (t) => {
    const gone = { one: { health: "failed" }, two: { health: "failed" } } as const;
    const { router, callsOf, peers } = cluster(gone);
    const load = { requestId: "r", model: MODEL, runner: {} };
    t.equal((await router.load(load, o)).route.attempts, 1);
    t.equal([callsOf("one"), callsOf("two")].flat().length, 1);
    for (const id of ["one", "two"]) peers.kill(id as NodeId);
    await t.rejects(router.load(load, o), { code: "PEER_UNREACHABLE" });

    const half = cluster({ one: { health: "failed" } });
    const died = new InferenceError("RUNNER_DIED", "it died");
    for (const engine of half.engines.values()) engine.failure = died;
    await t.rejects(half.router.load(load, o), { code: "RUNNER_DIED" });
    t.same(half.callsOf("one"), [], "it would only make a failure later");
  },
);

t.test("many inputs are embedded by all holders, in order", async (t) => {
  const { router, callsOf } = cluster();
  const inputs = Array.from({ length: 40 }, (_, i) => `${i}`);
  const request = { requestId: "r", model: MODEL, inputs, runner: {} };
  const { vectors, promptTokens, route } = await router.embed(request, o);
  t.same(
    vectors,
    inputs.map((input) => [Number(input)]),
  );
  t.equal(promptTokens, 40);
  t.equal(route.attempts, 1);
  t.same([...(callsOf("one") ?? []), ...(callsOf("two") ?? [])], ["embed 20", "embed 20"]);
});

t.test("a holder that does not answer: another one does, for every kind of call", async (t) => {
  for (const dead of PEERS) {
    const { router, peers } = cluster();
    peers.kill(dead);
    const other = PEERS.find((id) => id !== dead);
    const loaded = await router.load({ requestId: "r", model: MODEL, runner: {} }, o);
    t.match(loaded, { loadMs: 5, route: { node: other } });
    const shown = await router.show(MODEL, { verbose: false }, o);
    t.match(shown, { description: { modelfile: `of ${other}` }, route: { node: other } });
    const request = { requestId: "r", model: MODEL, inputs: ["1"], runner: {} };
    t.match(await router.embed(request, o), { vectors: [[1]], route: { node: other } });
    const of = { kind: "tokens", tokens: [1, 2] } as const;
    const converted = await router.tokens({ requestId: "r", model: MODEL, runner: {}, of }, o);
    t.match(converted, { tokens: [1, 2], text: "ab", route: { node: other } });
  }
});

t.test("disposal stops what runs, here and there, and waits for it", async (t) => {
  for (const holders of [PEERS.slice(0, 1), [HERE]]) {
    const { router, own, callsOf, engines } = cluster({}, holders);
    for (const engine of [...engines.values(), own]) engine.endless = true;
    const request = {
      ...{ requestId: "r", model: MODEL, runner: {}, sampling: {} },
      input: { kind: "prompt", prompt: "p" } as const,
    };
    const events = router.generate(request, o)[Symbol.asyncIterator]();
    while ((await events.next()).value?.type !== "text");
    t.equal(router.running(), 1);
    const rest = t.rejects(async () => {
      while (!(await events.next()).done);
    });
    await router[Symbol.asyncDispose]();
    await rest;
    t.equal(router.running(), 0);
    const calls = holders[0] === HERE ? own.calls : (callsOf("one") ?? []);
    while (!calls.includes("left")) await new Promise((resolve) => setImmediate(resolve));
    t.same(calls, ["generate", "left"]);
  }
});
