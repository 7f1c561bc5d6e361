import t from "tap";
import type { NodeId } from "../../core/node-id.ts";
import type { NodeHealth, NodeReport, NodeState } from "../../core/node-view.ts";
import { seededRandom } from "../../core/random.ts";
import type { HeartbeatRecord, UpdateRecord } from "../membership-records.ts";
import { Membership } from "./membership.ts";
import type { Effect, MembershipEvent } from "./types.ts";

const SELF = "self" as NodeId;
const [A, B, C, D, E] = ["a", "b", "c", "d", "e"] as unknown as [
  NodeId,
  NodeId,
  NodeId,
  NodeId,
  NodeId,
];
const BOOT = 1n << 32n;

const report = (state: NodeState): NodeReport => ({
  ...{ name: "", region: "", zone: "", version: "", apiUrl: "" },
  state,
  load: { running: 0, queued: 0, slots: 1 },
  loaded: [],
  freeMemoryBytes: 0,
  freeDiskBytes: 0,
});

function heartbeat(node: NodeId, change: Partial<HeartbeatRecord> = {}): HeartbeatRecord {
  return {
    node,
    incarnation: BOOT,
    sequence: 1n,
    report: report("active"),
    multiaddrs: [],
    replicaVersion: 0n,
    ttlMs: 4_000,
    ...change,
  };
}

const update = (node: NodeId, health: NodeHealth, incarnation = BOOT): UpdateRecord => ({
  node,
  health,
  incarnation,
  multiaddrs: [],
});

/** A membership, what it has asked for since the last look, and a clock that ticks when it is due. */
class Bench {
  readonly membership = new Membership(
    { incarnation: BOOT },
    { self: SELF, random: seededRandom(1) },
  );
  nowMs = 0;
  /** Nodes that answer every probe at once. */
  answering = new Set<NodeId>();
  #sequence = 1n;
  #effects: Effect[] = [];

  constructor(...nodes: readonly NodeId[]) {
    for (const node of nodes) {
      this.answering.add(node);
      this.tell({ type: "connected", node });
      this.tell({ type: "heartbeat", heartbeat: heartbeat(node) });
    }
    this.take();
  }

  tell(event: MembershipEvent): void {
    for (const effect of this.membership.handle(event, this.nowMs)) {
      this.#effects.push(effect);
      if (effect.type === "probe") this.#answer(effect);
      else if (effect.type === "probeIndirect") this.#relay(effect);
    }
  }

  #answer({ node, probeId, aboutYou }: Effect & { type: "probe" }): void {
    if (!this.answering.has(node)) return;
    const incarnation = aboutYou ? aboutYou.incarnation + 1n : BOOT;
    this.tell({ type: "probeAcked", node, probeId, incarnation });
  }

  #relay({ target: node, probeId, via }: Effect & { type: "probeIndirect" }): void {
    for (const relay of via) {
      if (!this.answering.has(relay)) continue;
      if (this.answering.has(node))
        this.tell({ type: "indirectAcked", node, probeId, incarnation: BOOT });
      else this.tell({ type: "indirectNacked", probeId, via: relay });
    }
  }

  run(durationMs: number): void {
    const endMs = this.nowMs + durationMs;
    for (;;) {
      const wakeMs = this.membership.nextWakeMs(this.nowMs);
      if (wakeMs > endMs) break;
      this.nowMs = wakeMs;
      this.tell({ type: "tick" });
    }
    this.nowMs = endMs;
  }

  /** All of them still speak. */
  beat(...nodes: readonly NodeId[]): void {
    this.#sequence++;
    for (const node of nodes) {
      this.tell({ type: "heartbeat", heartbeat: heartbeat(node, { sequence: this.#sequence }) });
    }
  }

  take(): Effect[] {
    return this.#effects.splice(0);
  }

  took<Type extends Effect["type"]>(type: Type): (Effect & { type: Type })[] {
    return this.take().filter((effect): effect is Effect & { type: Type } => effect.type === type);
  }

  kinds(): string[] {
    return this.took("changed").map(({ kind, node }) => `${kind} ${node}`);
  }
}

t.test("a node joins with its first heartbeat, and hears of us at once", async (t) => {
  const bench = new Bench();
  bench.tell({ type: "connected", node: A });
  t.same(bench.membership.members(0), [], "a connection alone makes no member");
  bench.tell({ type: "heartbeat", heartbeat: heartbeat(A) });
  t.same(bench.take(), [
    { type: "publishHeartbeat" },
    { type: "changed", kind: "joined", node: A },
    { type: "publishHeartbeat" },
  ]);
  t.match(bench.membership.member(A, 7), { health: "alive", connected: true, ageMs: 7 });
});

t.test("each member is probed once in every round", async (t) => {
  const bench = new Bench(A, B, C, D);
  const probed: NodeId[] = [];
  for (let second = 0; second < 8; second++) {
    bench.beat(A, B, C, D);
    bench.run(1_000);
    probed.push(...bench.took("probe").map(({ node }) => node));
  }
  t.same(probed.slice(0, 4).toSorted(), [A, B, C, D]);
  t.same(probed.slice(4).toSorted(), [A, B, C, D]);
});

t.test(
  "a silent node is asked, asked through others, suspected, failed and forgotten",
  async (t) => {
    const bench = new Bench(A, B, C, D);
    bench.answering.delete(A);
    const seen: string[] = [];
    for (let step = 0; step < 70; step++) {
      bench.beat(B, C, D);
      bench.run(100);
      for (const effect of bench.take()) {
        if (effect.type === "probe" && effect.node === A) seen.push("asked");
        if (effect.type === "probeIndirect") {
          seen.push("through others");
          t.same(effect.via.toSorted(), [B, C, D]);
        }
        if (effect.type === "changed" && effect.node === A) seen.push(effect.kind);
        if (effect.type === "publishUpdate") seen.push(`published ${effect.update.health}`);
      }
    }
    t.same(
      seen.filter((what, i) => !seen.slice(0, i).includes(what)),
      ["asked", "through others", "suspect", "published suspect", "failed", "published failed"],
    );
    t.match(bench.membership.member(A, bench.nowMs), { health: "failed" });
    bench.run(600_000);
    t.equal(bench.membership.member(A, bench.nowMs), undefined);
    t.same(bench.took("forget"), [{ type: "forget", node: A }]);
  },
);

t.test("a closed connection is followed by a look, and failed within a second", async (t) => {
  const bench = new Bench(A, B);
  bench.answering.delete(A);
  bench.tell({ type: "disconnected", node: A });
  const [probe] = bench.took("probe");
  t.equal(probe?.node, A);
  bench.tell({ type: "probeMissed", node: A, probeId: probe?.probeId ?? 0 });
  t.same(bench.kinds(), ["suspect a"]);
  bench.run(1_000);
  t.equal(bench.membership.healthOf(A), "failed");
});

t.test("a closed connection to a node that answers means nothing", async (t) => {
  const bench = new Bench(A, B);
  bench.tell({ type: "disconnected", node: A });
  t.same(bench.kinds(), []);
  bench.run(5_000);
  t.same(bench.kinds(), []);
});

t.test("what ends a suspicion", async (t) => {
  const suspected = update(A, "suspect");
  const rows: readonly (readonly [string, MembershipEvent, NodeHealth])[] = [
    [
      "a newer heartbeat",
      { type: "heartbeat", heartbeat: heartbeat(A, { sequence: 2n }) },
      "alive",
    ],
    ["an old heartbeat does not", { type: "heartbeat", heartbeat: heartbeat(A) }, "suspect"],
    ["tokens", { type: "evidence", node: A, evidence: "served" }, "alive"],
    ["an answer", { type: "probeAcked", node: A, probeId: 99, incarnation: BOOT }, "alive"],
    ["one to another", { type: "indirectAcked", node: A, probeId: 99, incarnation: BOOT }, "alive"],
    ["a refutation", { type: "update", update: update(A, "alive", BOOT + 1n), from: A }, "alive"],
    ["an old alive does not", { type: "update", update: update(A, "alive"), from: A }, "suspect"],
  ];
  for (const [name, event, expected] of rows) {
    const bench = new Bench(A, B);
    bench.tell({ type: "update", update: suspected, from: B });
    t.same(bench.kinds(), ["suspect a"], name);
    bench.tell(event);
    t.equal(bench.membership.healthOf(A), expected, name);
  }
});

t.test("nobody is failed on hearsay", async (t) => {
  const bench = new Bench(A, B, C, D, E);
  for (const from of [B, C, D, E]) {
    bench.tell({ type: "update", update: update(A, "failed"), from });
  }
  t.same(bench.kinds(), ["suspect a"]);
  bench.run(1);
  t.same(bench.kinds(), ["changed a"], "it answers");
  bench.answering.delete(A);
  bench.tell({ type: "update", update: update(A, "failed", BOOT + 1n), from: B });
  bench.run(600);
  t.same(bench.kinds(), ["suspect a", "failed a"], "it does not answer: no more waiting");
});

t.test("what brings a failed node back", async (t) => {
  const newer = heartbeat(A, { sequence: 2n });
  const reborn = heartbeat(A, { incarnation: BOOT + 1n, sequence: 1n });
  const rows: readonly (readonly [string, MembershipEvent, boolean, NodeHealth])[] = [
    ["an old heartbeat", { type: "heartbeat", heartbeat: heartbeat(A) }, true, "failed"],
    ["a newer one, and its answer", { type: "heartbeat", heartbeat: newer }, true, "alive"],
    [
      "a newer one that was long under way",
      { type: "heartbeat", heartbeat: newer },
      false,
      "failed",
    ],
    ["a new incarnation", { type: "heartbeat", heartbeat: reborn }, false, "alive"],
    [
      "a refutation",
      { type: "update", update: update(A, "alive", BOOT + 1n), from: A },
      false,
      "alive",
    ],
    [
      "a rumour",
      { type: "update", update: update(A, "alive", BOOT + 1n), from: B },
      false,
      "failed",
    ],
    [
      "a late answer",
      { type: "probeAcked", node: A, probeId: 1, incarnation: BOOT },
      false,
      "failed",
    ],
    ["a connection, and its answer", { type: "connected", node: A }, true, "alive"],
  ];
  for (const [name, event, answers, expected] of rows) {
    const bench = new Bench(A, B);
    bench.answering.delete(A);
    bench.tell({ type: "disconnected", node: A });
    bench.run(3_000);
    t.equal(bench.membership.healthOf(A), "failed", name);
    if (answers) bench.answering.add(A);
    bench.tell(event);
    t.equal(bench.membership.healthOf(A), expected, name);
  }
});

t.test("who has left stays away until it starts again", async (t) => {
  const bench = new Bench(A, B);
  bench.tell({ type: "update", update: update(A, "left"), from: A });
  t.same(bench.kinds(), ["left a"]);
  bench.tell({ type: "disconnected", node: A });
  bench.tell({ type: "heartbeat", heartbeat: heartbeat(A, { sequence: 9n }) });
  bench.tell({ type: "update", update: update(A, "suspect", BOOT), from: B });
  bench.run(2_000);
  t.equal(bench.membership.healthOf(A), "left");
  const told = bench.took("publishUpdate").map((effect) => effect.update);
  t.same(told, [update(A, "left")], "who missed it is told");
  bench.tell({ type: "heartbeat", heartbeat: heartbeat(A, { incarnation: 2n << 32n }) });
  t.same(bench.kinds(), ["joined a"]);
});

t.test("who said that it was leaving has left when its connection closes", async (t) => {
  const bench = new Bench(A, B);
  const leaving = heartbeat(A, { sequence: 2n, report: report("leaving") });
  bench.tell({ type: "heartbeat", heartbeat: leaving });
  t.same(bench.kinds(), ["changed a"]);
  bench.tell({ type: "disconnected", node: A });
  t.same(bench.kinds(), ["left a"]);
});

t.test("we refute what is said of us, once for each incarnation", async (t) => {
  const rows: readonly (readonly [NodeHealth, bigint, bigint])[] = [
    ["suspect", BOOT, BOOT + 1n],
    ["failed", BOOT + 5n, BOOT + 6n],
    ["left", BOOT, BOOT + 1n],
    ["suspect", BOOT - 1n, BOOT],
    ["alive", BOOT + 5n, BOOT],
    ["failed", 2n ** 64n - 1n, BOOT],
  ];
  for (const [health, incarnation, expected] of rows) {
    const bench = new Bench(A);
    for (const from of [A, B]) {
      bench.tell({ type: "update", update: update(SELF, health, incarnation), from });
    }
    t.equal(bench.membership.incarnation, expected, `${health} ${incarnation}`);
    const published = bench.took("publishUpdate").map((effect) => effect.update);
    t.same(published, expected === BOOT ? [] : [update(SELF, "alive", expected)]);
  }
});

t.test("a node that was frozen itself fails nobody", async (t) => {
  const bench = new Bench(A, B, C);
  bench.answering.clear();
  bench.tell({ type: "evidence", node: A, evidence: "stalled" });
  bench.tell({ type: "update", update: update(B, "suspect"), from: C });
  bench.take();
  bench.nowMs += 60_000;
  bench.tell({ type: "tick" });
  bench.run(1_000);
  t.notMatch(bench.kinds(), ["failed"]);
  bench.beat(A, B, C);
  for (const node of [A, B, C]) t.equal(bench.membership.healthOf(node), "alive", node);
});

t.test("a failed request makes us look, served tokens spare the look", async (t) => {
  for (const evidence of ["failed", "stalled"] as const) {
    const bench = new Bench(A, B);
    bench.tell({ type: "evidence", node: A, evidence });
    t.same(
      bench.took("probe").map(({ node }) => node),
      [A],
      evidence,
    );
  }
  const bench = new Bench(A);
  for (let step = 0; step < 9; step++) {
    bench.run(300);
    bench.tell({ type: "evidence", node: A, evidence: "served" });
  }
  t.equal(bench.membership.member(A, bench.nowMs)?.ageMs, 0);
  t.ok(bench.took("probe").length <= 3, "only those of the round");
});

t.test("who leaves says so, and then neither asks nor refutes", async (t) => {
  const bench = new Bench(A, B);
  bench.tell({ type: "leave" });
  t.same(bench.take(), [{ type: "publishUpdate", update: update(SELF, "left") }]);
  bench.tell({ type: "update", update: update(SELF, "suspect"), from: A });
  bench.tell({ type: "disconnected", node: A });
  bench.tell({ type: "leave" });
  t.same(bench.take(), []);
  t.equal(bench.membership.nextWakeMs(0), 60_000);
});

t.test("changes are told when a reader could see them", async (t) => {
  const bench = new Bench(A);
  const rows: readonly (readonly [string, Partial<HeartbeatRecord>, string[]])[] = [
    ["another load", { report: { ...report("active"), freeDiskBytes: 9 } }, []],
    ["another state", { report: report("draining") }, ["changed a"]],
    ["the same again", { report: report("draining") }, []],
    [
      "an address",
      { report: report("draining"), multiaddrs: ["/ip4/127.0.0.1/tcp/1"] },
      ["changed a"],
    ],
  ];
  let sequence = 1n;
  for (const [name, change, expected] of rows) {
    bench.tell({ type: "heartbeat", heartbeat: heartbeat(A, { ...change, sequence: ++sequence }) });
    t.same(bench.kinds(), expected, name);
  }
});

t.test("no more members than there is room for, and tombstones go first", async (t) => {
  const bench = new Bench();
  const name = (i: number): NodeId => `n${i}` as NodeId;
  for (let i = 0; i < 5_001; i++) bench.tell({ type: "heartbeat", heartbeat: heartbeat(name(i)) });
  t.equal(bench.membership.members(0).length, 5_000);
  bench.tell({ type: "update", update: update(name(3), "left"), from: name(3) });
  bench.take();
  bench.tell({ type: "heartbeat", heartbeat: heartbeat(A) });
  t.same(bench.took("forget"), [{ type: "forget", node: name(3) }]);
  t.equal(bench.membership.healthOf(A), "alive");
});
