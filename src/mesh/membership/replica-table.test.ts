import fc from "fast-check";
import t from "tap";
import type { ManifestDigest } from "../../core/digest.ts";
import type { ModelRecord } from "../../core/model.ts";
import type { NodeId } from "../../core/node-id.ts";
import type { Holder, LocalReplicaChange } from "../../core/ports.ts";
import { seededRandom } from "../../core/random.ts";
import { ReplicaTable } from "./replica-table.ts";

const [SELF, A, B, C] = ["self", "a", "b", "c"] as unknown as [NodeId, NodeId, NodeId, NodeId];
const BOOT = 1n << 32n;

const table = (self = SELF): ReplicaTable =>
  new ReplicaTable({ version: BOOT }, { self, random: seededRandom(1) });

const record = (name: string, manifest: string): ModelRecord => ({
  name,
  manifest: manifest as ManifestDigest,
  sizeBytes: 1,
  modifiedAtMs: 0,
  details: {
    parentModel: "",
    format: "gguf",
    family: "",
    families: [],
    parameterSize: "",
    quantizationLevel: "",
  },
  capabilities: [],
});
const held = (
  name: string,
  manifest = "m",
  state: Holder["state"] = "ready",
): LocalReplicaChange => ({
  state,
  record: record(name, manifest),
});
const removed = (name: string): LocalReplicaChange => ({ state: "removed", name });

/** What it says of everybody: holder, name, manifest, state. */
const told = (of: ReplicaTable): string[] =>
  of
    .replicas(0)
    .map(({ record: { name, manifest }, holder: { node, state } }) =>
      [node, name, manifest, state].join(" "),
    )
    .toSorted();

/** With this list of the node fetched. */
function fetched(
  of: ReplicaTable,
  node: NodeId,
  version: bigint,
  ...replicas: LocalReplicaChange[]
) {
  of.heard(node, version);
  t.ok(of.toFetch(0).includes(node), `fetches from ${node}`);
  of.fetched(node, { version, replicas }, 0);
}

t.test(
  "our own changes raise the version by one each, what changes nothing does not",
  async (t) => {
    const own = table();
    const rows: readonly (readonly [string, LocalReplicaChange, bigint | undefined])[] = [
      ["new", held("x", "m", "syncing"), 1n],
      ["the same again", held("x", "m", "syncing"), undefined],
      ["another state", held("x"), 2n],
      ["another manifest", held("X", "n"), 3n],
      ["another name", held("y"), 4n],
      ["gone", removed("x"), 5n],
      ["was not there", removed("x"), undefined],
    ];
    for (const [name, change, version] of rows) {
      const expected = version && { node: SELF, version: BOOT + version, change };
      t.same(own.announce(change, 0), expected, name);
    }
    t.same(own.ownList(), { version: BOOT + 5n, replicas: [held("y")] });
  },
);

t.test("what makes us fetch a node's list", async (t) => {
  const rows: readonly (readonly [string, (of: ReplicaTable) => void, NodeId[]])[] = [
    ["nothing", () => {}, []],
    ["a heartbeat of the version that we have", (of) => of.heard(A, 5n), []],
    ["of an older one", (of) => of.heard(A, 4n), []],
    ["of a newer one", (of) => of.heard(A, 6n), [A]],
    ["the next announcement", (of) => of.take({ node: A, version: 6n, change: held("y") }, 0), []],
    ["one further", (of) => of.take({ node: A, version: 7n, change: held("y") }, 0), [A]],
    ["an old one", (of) => of.take({ node: A, version: 5n, change: held("y") }, 0), []],
    ["a node never heard before", (of) => of.heard(B, 0n), [B]],
    ["doubt", (of) => of.doubt(A), [A]],
    ["doubt of a stranger", (of) => of.doubt(B), []],
    ["ourselves", (of) => of.heard(SELF, 99n), []],
    [
      "a node that was gone",
      (of) => {
        of.forget(A);
        of.heard(A, 5n);
      },
      [A],
    ],
  ];
  for (const [name, act, expected] of rows) {
    const of = table();
    fetched(of, A, 5n, held("x"));
    act(of);
    t.same(of.toFetch(0), expected, name);
    t.same(of.toFetch(0), [], `${name}: one fetch at a time`);
  }
});

t.test("a fetch that fails is tried again, later each time", async (t) => {
  const of = table();
  of.heard(A, 1n);
  let nowMs = 0;
  const pauses: number[] = [];
  for (let attempt = 0; attempt < 8; attempt++) {
    t.same(of.toFetch(nowMs), [A]);
    t.equal(of.nextFetchMs(), Number.POSITIVE_INFINITY, "under way");
    of.notFetched(A, nowMs);
    t.same(of.toFetch(nowMs), []);
    pauses.push(of.nextFetchMs() - nowMs);
    nowMs = of.nextFetchMs();
  }
  t.ok(
    (pauses[0] ?? 0) < 300 && (pauses[7] ?? 0) > 7_000 && (pauses[7] ?? 0) <= 12_000,
    `${pauses}`,
  );
});

t.test("only so many at once", async (t) => {
  const of = table();
  const nodes = Array.from({ length: 20 }, (_, i) => `n${i}` as NodeId);
  for (const node of nodes) of.heard(node, 1n);
  const first = of.toFetch(0);
  t.equal(first.length, 8);
  of.fetched(first[0] as NodeId, { version: 1n, replicas: [] }, 0);
  t.equal(of.toFetch(0).length, 1);
});

t.test("a list that was overtaken by announcements is not taken", async (t) => {
  const of = table();
  fetched(of, A, 5n, held("x"));
  of.doubt(A);
  of.toFetch(0);
  of.take({ node: A, version: 6n, change: held("y") }, 0);
  of.fetched(A, { version: 5n, replicas: [held("x")] }, 0);
  t.same(told(of), ["a x m ready", "a y m ready"]);
});

t.test("what was known before keeps its age over a fetch", async (t) => {
  const of = table();
  fetched(of, A, 5n, held("x"), held("y", "m", "syncing"));
  of.doubt(A);
  of.toFetch(100);
  of.fetched(A, { version: 6n, replicas: [held("x"), held("y")] }, 100);
  const ages = of.replicas(150).map(({ record: { name }, holder }) => [name, holder.ageMs]);
  t.same(ages, [
    ["x", 150],
    ["y", 50],
  ]);
});

t.test("who holds a manifest", async (t) => {
  const of = table();
  of.announce(held("x"), 0);
  fetched(of, A, 1n, held("x", "m", "syncing"), held("alias"));
  fetched(of, B, 1n, held("x", "other"));
  fetched(of, C, 1n, held("x", "m", "failed"));
  const holders = () =>
    of.holders("m" as ManifestDigest, 0).map(({ node, state }) => `${node} ${state}`);
  t.same(holders(), ["self ready", "a ready", "c failed"]);
  of.forget(A);
  t.same(holders(), ["self ready", "c failed"]);
});

t.test("which manifest a name stands for", async (t) => {
  const rows: readonly (readonly [
    string,
    LocalReplicaChange[],
    [NodeId, LocalReplicaChange][],
    string,
  ])[] = [
    [
      "ours",
      [held("x", "z")],
      [
        [A, held("x", "y")],
        [B, held("x", "y")],
      ],
      "z",
    ],
    [
      "most ready holders",
      [],
      [
        [A, held("x", "a")],
        [B, held("x", "b")],
        [C, held("x", "b")],
      ],
      "b",
    ],
    [
      "ready ones only",
      [],
      [
        [A, held("x", "a")],
        [B, held("x", "b", "syncing")],
        [C, held("x", "b", "failed")],
      ],
      "a",
    ],
    [
      "the smallest of equals",
      [],
      [
        [A, held("x", "b")],
        [B, held("x", "a")],
      ],
      "a",
    ],
    [
      "whatever the case",
      [],
      [
        [A, held("X", "b")],
        [B, held("x", "b")],
        [C, held("x", "a")],
      ],
      "b",
    ],
  ];
  for (const [name, own, others, expected] of rows) {
    const of = table();
    for (const change of own) of.announce(change, 0);
    for (const [node, change] of others) fetched(of, node, 1n, change);
    t.same(
      of.models(0).map((model) => model.record.manifest),
      [expected],
      name,
    );
  }
});

const change = fc.oneof(
  fc
    .tuple(
      fc.constantFrom("x", "y", "z"),
      fc.constantFrom("m", "n"),
      fc.constantFrom("syncing", "ready", "failed"),
    )
    .map(([name, manifest, state]) => held(name, manifest, state as Holder["state"])),
  fc.constantFrom("x", "y", "z").map(removed),
);

t.test(
  "in whatever order announcements come, twice or never: one fetch, and it is as the node says",
  async (t) => {
    fc.assert(
      fc.property(
        fc.array(change, { maxLength: 12 }),
        fc.array(fc.record({ index: fc.nat(11), fetches: fc.boolean() }), { maxLength: 40 }),
        (changes, deliveries) => {
          const [author, reader] = [table(A), table(B)];
          const lists = [author.ownList()];
          const announcements = changes.flatMap((change) => {
            const announcement = author.announce(change, 0);
            if (announcement) lists.push(author.ownList());
            return announcement ? [announcement] : [];
          });
          for (const { index, fetches } of deliveries) {
            const announcement = announcements[index];
            if (announcement) reader.take(announcement, 0);
            const list = lists[index];
            if (!list || !fetches || reader.toFetch(0).length === 0) continue;
            reader.fetched(A, list, 0);
          }
          // The next heartbeat tells of the newest version.
          reader.heard(A, author.version);
          for (const node of reader.toFetch(0)) reader.fetched(node, author.ownList(), 0);
          t.same(told(reader), told(author));
          return reader.toFetch(0).length === 0;
        },
      ),
      { numRuns: 500 },
    );
  },
);
