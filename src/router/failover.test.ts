import fc from "fast-check";
import t from "tap";
import { digestOf, nodeOf } from "../../test/fixtures/fake-cluster.ts";
import { ManualClock } from "../../test/fixtures/manual-clock.ts";
import { InferenceError, type InferenceErrorCode } from "../core/errors.ts";
import type { GenerateEvent, GenerateRequest, RoutedEvent } from "../core/inference.ts";
import { noMetrics } from "../core/metrics.ts";
import type { NodeId } from "../core/node-id.ts";
import type { Engine, Waiting } from "../core/ports.ts";
import { seededRandom } from "../core/random.ts";
import { ATTEMPTS_MAX, Attempts } from "./attempts.ts";
import { Breakers } from "./breaker.ts";
import { generateWithFailover } from "./failover.ts";
import { InFlight } from "./in-flight.ts";
import { routerMetrics } from "./router-metrics.ts";
import { Watchdog } from "./watchdog.ts";

const MODEL = digestOf("m");
const WORDS = ["the ", "sky ", "is ", "blue ", "because ", "of ", "air"];
const TEXT = WORDS.join("");
const REQUEST: GenerateRequest = {
  ...{ requestId: "r", model: MODEL, runner: {}, sampling: {} },
  input: { kind: "prompt", prompt: "p" },
};

/** What a node does: answers, fails with a code after so many words, or falls silent after them. */
type Behaviour = {
  readonly after: number;
  readonly how: "answers" | "freezes" | InferenceErrorCode;
};
const ANSWERS: Behaviour = { after: WORDS.length, how: "answers" };

class Cluster {
  readonly clock = new ManualClock();
  readonly asked: NodeId[] = [];
  readonly evidence: string[] = [];
  readonly doubted: NodeId[] = [];
  readonly inFlight = new InFlight();
  open = 0;
  readonly #behaviours: ReadonlyMap<NodeId, Behaviour>;
  readonly #breakers = new Breakers();

  constructor(behaviours: readonly Behaviour[]) {
    this.#behaviours = new Map(behaviours.map((behaviour, i) => [`n${i}` as NodeId, behaviour]));
  }

  async run(seed = 1, signal = new AbortController().signal) {
    const nodes = [...this.#behaviours.keys()].map((id) => nodeOf({ id, name: `name of ${id}` }));
    const attempts = new Attempts(
      { model: MODEL, prefix: `${seed}` },
      {
        view: {
          ...{ self: () => nodeOf({ self: true }), nodes: () => nodes },
          changes: () => eventless(),
          observe: (node, evidence) => this.evidence.push(`${node} ${evidence}`),
        },
        replicas: {
          holders: () => nodes.map(({ id }) => ({ node: id, state: "ready", ageMs: 0 })),
          doubt: (node) => this.doubted.push(node),
        },
        engineOf: (node) => this.#engine(node),
        ...{ breakers: this.#breakers, inFlight: this.inFlight, metrics: routerMetrics(noMetrics) },
        ...{ clock: this.clock, random: seededRandom(seed) },
      },
    );
    const events: RoutedEvent[] = [];
    const metrics = routerMetrics(noMetrics);
    const deps = { watchdog: new Watchdog(), clock: this.clock, metrics };
    let error: unknown;
    let done = false;
    const reading = (async () => {
      try {
        for await (const event of generateWithFailover(REQUEST, attempts, deps, { signal })) {
          events.push(event);
        }
      } catch (thrown) {
        error = thrown;
      }
      done = true;
    })();
    while (!done) await this.clock.advance(1_000);
    await reading;
    await this.clock.advance(0);
    const text = events.map((event) => (event.type === "text" ? event.text : "")).join("");
    return { events, text, error };
  }

  #engine(node: NodeId): Engine {
    this.asked.push(node);
    const behaviour = this.#behaviours.get(node) ?? ANSWERS;
    const generate = (request: GenerateRequest, o: Waiting) => this.#answer(behaviour, request, o);
    return { generate } as unknown as Engine;
  }

  async *#answer(
    { after, how }: Behaviour,
    { resume }: GenerateRequest,
    { signal }: Waiting,
  ): AsyncIterable<GenerateEvent> {
    this.open++;
    try {
      const sent = resume?.tokens ?? 0;
      const fail = async (): Promise<void> => {
        if (how === "freezes") await this.clock.sleep(Number.MAX_SAFE_INTEGER, signal);
        if (how !== "answers" && how !== "freezes")
          throw new InferenceError(how, `${how} after ${after}`);
      };
      if (after === 0) await fail();
      yield { type: "started", promptTokens: 3, cachedTokens: 0, loadMs: 0 };
      for (let i = sent; i < WORDS.length; i++) {
        if (i - sent === after) await fail();
        yield { type: "text", text: WORDS[i] ?? "", tokens: 1 };
      }
      if (after + sent >= WORDS.length) await fail();
      const counts = { promptTokens: 3, tokens: WORDS.length, promptMs: 1, outputMs: 1 };
      yield { type: "end", reason: "stop", ...counts };
    } finally {
      this.open--;
    }
  }
}

async function* eventless(): AsyncGenerator<never> {}

const codeOf = (error: unknown): unknown => (error as { readonly code?: unknown })?.code;

t.test("what becomes of each failure, before the first text and after it", async (t) => {
  const resumed = ["RUNNER_DIED", "PEER_UNREACHABLE", "STREAM_BROKEN", "STALLED", "freezes"];
  const elsewhere = [...resumed, "MODEL_NOT_HERE", "BUSY", "LOAD_FAILED"];
  const final = ["INVALID_REQUEST", "INVALID_OPTION", "UNSUPPORTED", "DEADLINE", "CANCELLED"];
  const probe = new Cluster([
    { after: 0, how: "BUSY" },
    { after: 0, how: "BUSY" },
  ]);
  await probe.run();
  const order = probe.asked;
  const [first] = order;
  for (const how of [...elsewhere, ...final] as Behaviour["how"][]) {
    for (const after of [0, 3]) {
      const bad = { after, how };
      const healthy = new Cluster(first === "n0" ? [bad, ANSWERS] : [ANSWERS, bad]);
      const { text, error } = await healthy.run();
      const mayGoOn = after === 0 ? elsewhere.includes(how) : resumed.includes(how);
      t.equal(text === TEXT, mayGoOn, `${how} after ${after}`);
      t.equal(error === undefined, mayGoOn, `${how} after ${after}`);
      t.same(healthy.asked, mayGoOn ? order : [first], `${how} after ${after}`);
      const cluster = new Cluster([bad, bad]);
      const all = await cluster.run();
      t.equal(codeOf(all.error), how === "freezes" ? "STALLED" : how, "the last failure is told");
      t.same([cluster.open, healthy.open], [0, 0], "nothing is left open");
    }
  }
});

t.test("what a failure says of its node", async (t) => {
  const rows: readonly (readonly [Behaviour["how"], evidence: string[], doubted: string[]])[] = [
    ["answers", ["n0 served"], []],
    ["STREAM_BROKEN", ["n0 failed"], []],
    ["PEER_UNREACHABLE", ["n0 failed"], []],
    ["freezes", ["n0 stalled"], []],
    ["RUNNER_DIED", [], []],
    ["BUSY", [], []],
    ["LOAD_FAILED", [], []],
    ["MODEL_NOT_HERE", [], ["n0"]],
    ["INVALID_REQUEST", [], []],
  ];
  for (const [how, evidence, doubted] of rows) {
    const cluster = new Cluster([{ after: how === "answers" ? WORDS.length : 0, how }]);
    await cluster.run();
    t.same(cluster.evidence, evidence, how);
    t.same(cluster.doubted, doubted, how);
    t.equal(cluster.inFlight.of("n0" as NodeId), 0, how);
  }
});

t.test("no more nodes are asked than a request is worth, none twice", async (t) => {
  const dead: Behaviour = { after: 0, how: "STREAM_BROKEN" };
  const cluster = new Cluster([dead, dead, dead, dead, dead]);
  const { error } = await cluster.run();
  t.equal(codeOf(error), "STREAM_BROKEN");
  t.equal(cluster.asked.length, ATTEMPTS_MAX);
  t.equal(new Set(cluster.asked).size, ATTEMPTS_MAX);
});

t.test("nobody holds it", async (t) => {
  const { error } = await new Cluster([]).run();
  t.match(error, { code: "MODEL_NOT_HERE", message: /no node/ });
});

t.test("the client hears of each node that answers it, and of one start", async (t) => {
  const breaks: Behaviour = { after: 2, how: "STREAM_BROKEN" };
  const { events } = await new Cluster([breaks, breaks, ANSWERS, ANSWERS]).run(2);
  const routes = events.filter((event) => event.type === "routed");
  t.same(
    routes.map(({ attempts }) => attempts),
    [...routes.keys()].map((i) => i + 1),
  );
  t.equal(new Set(routes.map(({ node }) => node)).size, routes.length);
  t.match(routes[0]?.nodeName, /^name of n\d$/);
  t.equal(events.filter((event) => event.type === "started").length, 1);
});

t.test("a client who goes stops everything", async (t) => {
  const cluster = new Cluster([{ after: 2, how: "freezes" }]);
  const gone = new AbortController();
  const running = cluster.run(1, gone.signal);
  gone.abort(new DOMException("the client has gone", "AbortError"));
  t.equal(codeOf((await running).error), "CANCELLED");
  t.equal(cluster.open, 0);
  const late = new AbortController();
  const slow = new Cluster([{ after: 2, how: "freezes" }]).run(1, late.signal);
  late.abort(new DOMException("too late", "TimeoutError"));
  t.equal(codeOf((await slow).error), "DEADLINE");
});

t.test(
  "with one healthy node among those asked, every answer is whole and sent once",
  async (t) => {
    const how = fc.constantFrom<Behaviour["how"]>(
      "RUNNER_DIED",
      "PEER_UNREACHABLE",
      "STREAM_BROKEN",
      "STALLED",
      "freezes",
    );
    const bad = fc.record({ after: fc.nat(WORDS.length), how });
    await fc.assert(
      fc.asyncProperty(
        fc.array(bad, { maxLength: ATTEMPTS_MAX - 1 }),
        fc.nat(ATTEMPTS_MAX),
        fc.nat(1_000),
        async (others, place, seed) => {
          const behaviours = others.toSpliced(place, 0, ANSWERS);
          const cluster = new Cluster(behaviours);
          const { events, text, error } = await cluster.run(seed);
          t.equal(error, undefined);
          t.equal(text, TEXT);
          t.match(events.at(-1), { type: "end", tokens: WORDS.length });
          t.equal(events.filter(({ type }) => type === "end").length, 1);
          t.equal(cluster.open, 0);
          for (const node of cluster.asked) t.equal(cluster.inFlight.of(node), 0);
        },
      ),
      { numRuns: 200, seed: 7 },
    );
  },
);
