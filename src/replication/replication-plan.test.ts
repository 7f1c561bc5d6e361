import fc from "fast-check";
import t from "tap";
import { digestOf } from "../../test/fixtures/fake-cluster.ts";
import type { NodeId } from "../core/node-id.ts";
import {
  graceMs,
  neededBytes,
  type PlanInput,
  type PlanJob,
  type PlanNode,
  type PlanReplica,
  planReplication,
} from "./replication-plan.ts";

const GIB = 2 ** 30;
const SIZE = GIB;
const MODEL = digestOf("one");
const OTHER = digestOf("two");
const MINUTE_MS = 60_000;
const options = {
  wanted: 2,
  budgetBytes: 10 * GIB,
  graceMs: 5 * MINUTE_MS,
  graceBytesPerSecond: 100e6,
};

const idOf = (id: string): NodeId => id as NodeId;

function nodeOf(id: string, more: Partial<PlanNode> = {}): PlanNode {
  return {
    ...{ id: idOf(id), reachable: true, draining: false, absentMs: 0, zone: "" },
    ...{ freeDiskBytes: 100 * GIB, loaded: new Set(), ...more },
  };
}

function away(id: string, absentMs: number): PlanNode {
  return nodeOf(id, { reachable: false, absentMs });
}

/** `a`, `a:failed`, `a:ready:placed`, `a=two`. */
function replicaOf(text: string, name = "m"): PlanReplica {
  const [place = "", state = "ready", placed] = text.split(":");
  const [node = "", model] = place.split("=");
  return {
    ...{ node: idOf(node), name, model: model ? OTHER : MODEL, sizeBytes: SIZE },
    ...{ state: state as PlanReplica["state"], placed: placed === "placed" },
  };
}

function jobOf(node: string, more: Partial<PlanJob> = {}): PlanJob {
  return {
    ...{ id: `job-${node}`, node: idOf(node), kind: "copy", name: "m", model: MODEL },
    ...{ sizeBytes: SIZE, state: "queued", ...more },
  };
}

/** As `copy b`, `remove a`, `cancel job-b`. */
function decided(input: Partial<PlanInput>): string[] {
  const plan = planReplication({
    ...{ nodes: [], replicas: [], jobs: [], wanted: new Map(), options, ...input },
  });
  return [
    ...plan.copies.map(({ node }) => `copy ${node}`),
    ...plan.removals.map(({ node }) => `remove ${node}`),
    ...plan.cancels.map(({ job }) => `cancel ${job.id}`),
  ].sort();
}

const a = nodeOf("a");
const b = nodeOf("b");
const c = nodeOf("c");
const rows: readonly (readonly [what: string, input: Partial<PlanInput>, wanted: string[]])[] = [
  ["nothing at all", {}, []],
  ["as many as wanted", { nodes: [a, b, c], replicas: [replicaOf("a"), replicaOf("b")] }, []],
  ["one too few, one place", { nodes: [a, b], replicas: [replicaOf("a")] }, ["copy b"]],
  ["nobody else is there", { nodes: [a], replicas: [replicaOf("a")] }, []],
  ["nobody has it ready", { nodes: [a, b], replicas: [replicaOf("a:syncing")] }, []],
  ["the only holder is away", { nodes: [away("a", 0), b, c], replicas: [replicaOf("a")] }, []],
  [
    "a holder is away, for a while",
    { nodes: [a, away("b", 5 * MINUTE_MS), c], replicas: [replicaOf("a"), replicaOf("b")] },
    [],
  ],
  [
    "a holder stays away",
    { nodes: [a, away("b", 6 * MINUTE_MS), c], replicas: [replicaOf("a"), replicaOf("b")] },
    ["copy c"],
  ],
  [
    "it returns while its copy is made",
    { nodes: [a, b, c], replicas: [replicaOf("a"), replicaOf("b")], jobs: [jobOf("c")] },
    ["cancel job-c"],
  ],
  [
    "a copy is on its way",
    { nodes: [a, b, c], replicas: [replicaOf("a")], jobs: [jobOf("b")] },
    [],
  ],
  [
    "it has come, and the job has not ended yet",
    { nodes: [a, b, c], replicas: [replicaOf("a"), replicaOf("b")], jobs: [jobOf("b")] },
    [],
  ],
  [
    "its node went away for long",
    { nodes: [a, away("b", 6 * MINUTE_MS), c], replicas: [replicaOf("a")], jobs: [jobOf("b")] },
    ["cancel job-b", "copy c"],
  ],
  [
    "its node failed with it",
    { nodes: [a, b, c], replicas: [replicaOf("a")], jobs: [jobOf("b", { state: "failed" })] },
    ["copy c"],
  ],
  [
    "its node is to be emptied",
    {
      nodes: [a, nodeOf("b", { draining: true }), c],
      ...{ replicas: [replicaOf("a")], jobs: [jobOf("b")] },
    },
    ["cancel job-b", "copy c"],
  ],
  [
    "only a copy of it is under way",
    { nodes: [a, b], replicas: [replicaOf("b:syncing")], jobs: [jobOf("b", { state: "running" })] },
    ["cancel job-b"],
  ],
  ["the model is gone", { nodes: [a, b], jobs: [jobOf("b")] }, ["cancel job-b"]],
  [
    "the name stands for another model",
    {
      nodes: [a, b, c],
      replicas: [replicaOf("a=two"), replicaOf("c=two")],
      jobs: [jobOf("b", { state: "running" })],
    },
    ["cancel job-b"],
  ],
  [
    "a damaged replica is its node's to heal",
    { nodes: [a, b, c], replicas: [replicaOf("a"), replicaOf("b:failed")] },
    ["copy c"],
  ],
  [
    "a draining node's replica counts no more, and is a source",
    { nodes: [nodeOf("a", { draining: true }), b, c], replicas: [replicaOf("a")] },
    ["copy b", "copy c"],
  ],
  [
    "no room",
    {
      nodes: [a, nodeOf("b", { freeDiskBytes: neededBytes(SIZE) - 1 })],
      replicas: [replicaOf("a")],
    },
    [],
  ],
  [
    "room to the byte",
    { nodes: [a, nodeOf("b", { freeDiskBytes: neededBytes(SIZE) })], replicas: [replicaOf("a")] },
    ["copy b"],
  ],
  [
    "room that something else has been promised",
    {
      nodes: [a, nodeOf("b", { freeDiskBytes: neededBytes(SIZE) })],
      replicas: [replicaOf("a"), replicaOf("a", "n")],
      jobs: [jobOf("b", { name: "n" })],
    },
    [],
  ],
  [
    "another zone comes first",
    {
      nodes: [
        nodeOf("a", { zone: "x" }),
        nodeOf("b", { zone: "x", freeDiskBytes: 1_000 * GIB }),
        nodeOf("c", { zone: "y" }),
      ],
      replicas: [replicaOf("a")],
    },
    ["copy c"],
  ],
  [
    "then the most room",
    { nodes: [a, b, nodeOf("c", { freeDiskBytes: 300 * GIB })], replicas: [replicaOf("a")] },
    ["copy c"],
  ],
  [
    "then the fewest replicas",
    {
      nodes: [a, b, c],
      replicas: [replicaOf("a"), replicaOf("b", "n"), replicaOf("a", "n")],
    },
    ["copy c"],
  ],
  [
    "all, also what comes later",
    { nodes: [a, b, c], replicas: [replicaOf("a")], wanted: new Map([["m", "all"]]) },
    ["copy b", "copy c"],
  ],
  [
    "one is enough for this one",
    { nodes: [a, b], replicas: [replicaOf("a")], wanted: new Map([["m", 1]]) },
    [],
  ],
  [
    "too many: what we placed",
    { nodes: [a, b, c], replicas: [replicaOf("a"), replicaOf("b:ready:placed"), replicaOf("c")] },
    ["remove b"],
  ],
  [
    "never what somebody else put there",
    { nodes: [a, b, c], replicas: [replicaOf("a"), replicaOf("b"), replicaOf("c")] },
    [],
  ],
  [
    "a loaded one last",
    {
      nodes: [a, nodeOf("b", { loaded: new Set([MODEL]) }), c],
      replicas: [replicaOf("a"), replicaOf("b:ready:placed"), replicaOf("c:ready:placed")],
    },
    ["remove c"],
  ],
  [
    "the second one in a zone first",
    {
      nodes: [
        nodeOf("a", { zone: "x" }),
        nodeOf("b", { zone: "y", freeDiskBytes: 1 }),
        nodeOf("c", { zone: "x" }),
      ],
      replicas: [replicaOf("a"), replicaOf("b:ready:placed"), replicaOf("c:ready:placed")],
    },
    ["remove c"],
  ],
];

t.test("what is decided", async (t) => {
  for (const [what, input, wanted] of rows) t.same(decided(input), wanted, what);
});

t.test("the grace grows with the size", async (t) => {
  t.equal(graceMs(0, options), 300_000);
  t.equal(graceMs(100e9, options), 300_000 + 1_000_000);
});

t.test("the budget: the neediest and smallest first, and one always goes", async (t) => {
  const replicas = ["x", "y", "z"].map((name, index) => ({
    ...replicaOf("a", name),
    sizeBytes: (index + 1) * GIB,
  }));
  const names = (budgetBytes: number, more: Partial<PlanInput> = {}): string[] =>
    planReplication({
      ...{ nodes: [a, b], replicas, jobs: [], wanted: new Map(), ...more },
      options: { ...options, budgetBytes },
    }).copies.map(({ name }) => name);
  t.same(names(100 * GIB), ["x", "y", "z"]);
  t.same(names(3 * GIB), ["x", "y"]);
  t.same(names(1), ["x"]);
  t.same(names(3 * GIB, { jobs: [jobOf("b", { name: "x", sizeBytes: GIB })] }), ["y"]);
});

const ids = ["a", "b", "c", "d", "e"];
const anyInput: fc.Arbitrary<PlanInput> = fc.record({
  nodes: fc.tuple(
    ...ids.map((id) =>
      fc
        .record({
          reachable: fc.boolean(),
          draining: fc.boolean(),
          absentMs: fc.constantFrom(0, MINUTE_MS, 60 * MINUTE_MS),
          zone: fc.constantFrom("", "x", "y"),
          freeDiskBytes: fc.constantFrom(0, 3 * GIB, 50 * GIB),
        })
        .map((more) => nodeOf(id, more)),
    ),
  ),
  replicas: fc.uniqueArray(
    fc
      .tuple(
        fc.constantFrom(...ids),
        fc.constantFrom("m", "n"),
        fc.constantFrom("ready", "syncing", "failed"),
        fc.boolean(),
        fc.boolean(),
      )
      .map(([node, name, state, placed, other]) =>
        replicaOf(`${node}${other ? "=two" : ""}:${state}:${placed ? "placed" : ""}`, name),
      ),
    { selector: ({ node, name }) => `${node} ${name}`, maxLength: 10 },
  ),
  jobs: fc.uniqueArray(
    fc
      .tuple(
        fc.constantFrom(...ids),
        fc.constantFrom("m", "n"),
        fc.constantFrom("queued" as const, "running" as const, "failed" as const),
      )
      .map(([node, name, state]) => jobOf(node, { name, state, id: `${node} ${name}` })),
    { selector: ({ id }) => id, maxLength: 6 },
  ),
  wanted: fc.constantFrom(new Map(), new Map([["m", "all" as const]]), new Map([["n", 3]])),
  options: fc.constantFrom(options, { ...options, budgetBytes: 2 * GIB }),
});

t.test("whatever the cluster looks like", async (t) => {
  fc.assert(
    fc.property(anyInput, (input) => {
      const plan = planReplication(input);
      const nodes = new Map(input.nodes.map((node) => [node.id, node]));
      const held = new Set(input.replicas.map(({ node, name }) => `${node} ${name}`));
      const copies = new Set<string>();
      for (const { node: id, name } of plan.copies) {
        const node = nodes.get(id);
        const key = `${id} ${name}`;
        if (!node?.reachable || node.draining || held.has(key) || copies.has(key)) return false;
        copies.add(key);
      }
      for (const { node, name } of plan.removals) {
        const left = input.replicas.filter(
          (replica) =>
            replica.name === name &&
            replica.state === "ready" &&
            nodes.get(replica.node)?.reachable &&
            !plan.removals.some((r) => r.node === replica.node && r.name === name),
        );
        const replica = input.replicas.find((r) => r.node === node && r.name === name);
        if (left.length === 0 || !replica?.placed) return false;
      }
      return true;
    }),
    { numRuns: 2_000 },
  );
  t.pass("no copy to where it may not be, no removal of the last or of what is not ours");
});

t.test("carried out, a plan asks for nothing more", async (t) => {
  fc.assert(
    fc.property(anyInput, (input) => {
      const plan = planReplication({ ...input, jobs: [] });
      const done = plan.copies.map(({ node, name, model, sizeBytes }) => ({
        ...{ node, name, model, sizeBytes, state: "ready" as const, placed: true },
      }));
      const isRemoved = ({ node, name }: PlanReplica): boolean =>
        plan.removals.some((removal) => removal.node === node && removal.name === name);
      const after = {
        ...{ ...input, jobs: [] },
        replicas: [...input.replicas.filter((replica) => !isRemoved(replica)), ...done],
      };
      const next = planReplication(after);
      // What the budget did not let go yet may go now; nothing that was done is undone.
      return !next.removals.some(({ node, name }) =>
        done.some((copy) => copy.node === node && copy.name === name),
      );
    }),
    { numRuns: 2_000 },
  );
  t.pass("nothing is moved to and fro");
});
