import t from "tap";
import { digestOf, nodeOf } from "../../test/fixtures/fake-cluster.ts";
import type { NodeId } from "../core/node-id.ts";
import type { NodeView } from "../core/node-view.ts";
import type { Holder } from "../core/ports.ts";
import { seededRandom } from "../core/random.ts";
import { type Choice, candidatesOf, rank } from "./select.ts";

const MODEL = digestOf("m");
const id = (name: string): NodeId => name as NodeId;
const node = (name: string, view: Partial<NodeView> = {}): NodeView =>
  nodeOf({ id: id(name), name, ...view });
const loaded = (name: string): NodeView["loaded"] => [
  { model: digestOf(name), sizeBytes: 1, vramBytes: 0, contextLength: 1, expiresInMs: 1 },
];
const load = (running: number, queued = 0, slots = 4) => ({ load: { running, queued, slots } });

function choice(view: readonly NodeView[], changes: Partial<Choice> = {}): Choice {
  return {
    model: MODEL,
    prefix: "p",
    view,
    holders: view.map((one): Holder => ({ node: one.id, state: "ready", ageMs: 0 })),
    asked: new Set(),
    blocked: () => false,
    inFlight: () => 0,
    ...changes,
  };
}

const namesOf = (nodes: readonly { readonly id: NodeId }[]): string =>
  nodes.map((n) => n.id).join("");
const ranked = (view: readonly NodeView[], changes: Partial<Choice> = {}, seed = 1): string =>
  namesOf(
    rank(
      candidatesOf(choice(view, changes)),
      { model: MODEL, prefix: changes.prefix ?? "p" },
      seededRandom(seed),
    ),
  );

t.test("who is a candidate", (t) => {
  const a = node("a");
  const rows: readonly (readonly [what: string, Choice, string])[] = [
    ["all that hold it", choice([a, node("b")]), "ab"],
    ["suspects too", choice([a, node("b", { health: "suspect" })]), "ab"],
    ["not the failed", choice([a, node("b", { health: "failed" })]), "a"],
    ...[
      node("b", { health: "failed" }),
      node("b", { health: "left" }),
      node("b", { health: "failed", state: "draining" }),
    ].map(
      (b) =>
        [
          `as the last resort ${b.health} and ${b.state}`,
          choice([a, b], { even: "failed" }),
          b.health === "failed" && b.state === "active" ? "ab" : "a",
        ] as const,
    ),
    ...[
      node("b", { state: "draining" }),
      node("b", { health: "suspect", state: "draining" }),
      node("b", { health: "failed", state: "draining" }),
      node("b", { state: "leaving" }),
    ].map(
      (b) =>
        [
          `when nobody else can, ${b.health} and ${b.state}`,
          choice([a, b], { even: "draining" }),
          b.health !== "failed" && b.state === "draining" ? "ab" : "a",
        ] as const,
    ),
    ["not those that left", choice([a, node("b", { health: "left" })]), "a"],
    ["not the draining", choice([a, node("b", { state: "draining" })]), "a"],
    ["not the leaving", choice([a, node("b", { state: "leaving" })]), "a"],
    ["not those that have been asked", choice([a, node("b")], { asked: new Set([id("b")]) }), "a"],
    ["not the blocked", choice([a, node("b")], { blocked: (n) => n === id("b") }), "a"],
    ["itself also when blocked", choice([node("a", { self: true })], { blocked: () => true }), "a"],
    [
      "only with a replica that is ready",
      choice([a, node("b"), node("c"), node("d")], {
        holders: [
          { node: id("a"), state: "ready", ageMs: 0 },
          { node: id("b"), state: "syncing", ageMs: 0 },
          { node: id("c"), state: "failed", ageMs: 0 },
        ],
      }),
      "a",
    ],
    [
      "not a holder that nobody knows",
      choice([a], { holders: [{ node: id("z"), state: "ready", ageMs: 0 }] }),
      "",
    ],
  ];
  for (const [what, given, expected] of rows) t.equal(namesOf(candidatesOf(given)), expected, what);
  t.end();
});

t.test("what a candidate is", (t) => {
  const self = node("a", { self: true, zone: "z" });
  const b = node("b", { zone: "z", ...load(1, 2, 0), loaded: loaded("m") });
  const [, candidate] = candidatesOf(
    choice([self, b], { inFlight: (n) => (n === id("b") ? 3 : 0) }),
  );
  t.same(candidate, {
    id: id("b"),
    self: false,
    suspect: false,
    warm: true,
    sameZone: true,
    requests: 6,
    slots: 1,
  });
  const [one, other] = candidatesOf(choice([node("a", { self: true }), node("b")]));
  t.same([one?.sameZone, other?.sameZone], [false, false], "no zone is not the same zone");
  t.end();
});

t.test(
  "itself first while it has a free slot, or is no busier than the best of the others",
  (t) => {
    const self = (running: number): NodeView => node("s", { self: true, ...load(running) });
    const rows: readonly (readonly [NodeView[], string])[] = [
      [[self(0), node("b")], "s"],
      [[self(3), node("b")], "s"],
      [[self(4), node("b", load(4))], "s"],
      [[self(5), node("b", load(4))], "b"],
      [[self(4), node("b", load(3))], "b"],
      [[self(9)], "s"],
      [[self(4), node("b", { health: "suspect" })], "s"],
    ];
    for (const [view, first] of rows) t.equal(ranked(view)[0], first);
    t.equal(ranked([self(5), node("b")]), "bs", "and is second then");
    t.end();
  },
);

t.test("suspects come last, whatever else speaks for them", (t) => {
  const suspect = node("s", { self: true, health: "suspect", loaded: loaded("m") });
  for (let seed = 0; seed < 20; seed++) {
    const order = ranked([suspect, node("b", load(4)), node("c", load(4, 9))], {}, seed);
    t.equal(order.at(-1), "s");
  }
  t.end();
});

t.test("a conversation keeps its node, and conversations spread", (t) => {
  const view = ["a", "b", "c", "d"].map((name) => node(name));
  const firsts = new Map<string, number>();
  for (let conversation = 0; conversation < 400; conversation++) {
    const prefix = `conversation ${conversation}`;
    const [first = ""] = ranked(view, { prefix }, conversation);
    t.equal(ranked(view, { prefix }, conversation + 1)[0], first);
    const without = view.filter((one) => one.id !== id("d"));
    if (first !== "d") t.equal(ranked(without, { prefix })[0], first, "also when another one goes");
    firsts.set(first, (firsts.get(first) ?? 0) + 1);
  }
  for (const count of firsts.values()) t.ok(count > 60 && count < 140, `${count} of 400`);
  t.equal(firsts.size, 4);
  t.end();
});

t.test("a conversation leaves a node that has too much", (t) => {
  const idle = ["a", "b", "c"].map((name) => node(name));
  const home = ranked(idle)[0] ?? "";
  const busy = idle.map((one) => (one.id === home ? { ...one, ...load(4, 20) } : one));
  t.not(ranked(busy)[0], home);
  const allBusy = idle.map((one) => ({ ...one, ...load(4, 20) }));
  t.equal(ranked(allBusy)[0], home, "unless the others have as much");
  t.end();
});

t.test("the rest: of two by chance the warm one, then the near one, then the idle one", (t) => {
  const rows: readonly (readonly [NodeView, NodeView])[] = [
    [node("x", { loaded: loaded("m"), ...load(4, 4) }), node("y")],
    [node("x", { zone: "z", ...load(3) }), node("y", { zone: "other" })],
    [node("x", load(1)), node("y", load(2))],
    [node("x", load(2, 0, 8)), node("y", load(2, 0, 4))],
  ];
  const self = node("s", { self: true, zone: "z", ...load(99, 99) });
  // The third peer is the conversation's, so that the two are what is left.
  for (const [better, worse] of rows) {
    for (let prefix = 0; ; prefix++) {
      const view = [self, better, worse, node("h")];
      const order = ranked(view, { prefix: `${prefix}` });
      if (order[0] !== "h") continue;
      t.equal(order.replaceAll(/[sh]/g, ""), "xy");
      break;
    }
  }
  t.end();
});
