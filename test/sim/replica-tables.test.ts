import t from "tap";
import type { ManifestDigest } from "../../src/core/digest.ts";
import type { ModelRecord } from "../../src/core/model.ts";
import type { NodeId } from "../../src/core/node-id.ts";
import type { LocalReplicaChange } from "../../src/core/ports.ts";
import { pick, type Random, seededRandom } from "../../src/core/random.ts";
import { ReplicaTable } from "../../src/mesh/membership/replica-table.ts";
import type { ReplicaList } from "../../src/mesh/replica-lists.ts";
import { seedOfRun } from "./seed.ts";
import { SimNetwork } from "./sim-network.ts";

const seed = seedOfRun();
const NODE_COUNT = 20;
const LOSS_SHARE = 0.3;
const HEARTBEAT_INTERVAL_MS = 1_000;
const FETCH_TIMEOUT_MS = 500;
/** A fetch takes two messages, of which three in ten are lost; each failure doubles the pause up to ten seconds. */
const CONVERGENCE_MS_MAX = 600_000;
const NAMES = ["a", "b", "c", "d", "e"];

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

function anyChange(random: Random): LocalReplicaChange {
  const name = pick(random, NAMES) ?? "";
  const state = pick(random, ["syncing", "ready", "failed", "removed"] as const) ?? "removed";
  if (state === "removed") return { state, name };
  return { state, record: record(name, pick(random, ["m", "n"]) ?? "m") };
}

/** Nodes that tell each other of their replicas, with heartbeats that carry versions and lists that are fetched. */
class Tables {
  readonly random = seededRandom(seed);
  readonly network = new SimNetwork(
    { lossShare: LOSS_SHARE, delayMsMin: 1, delayMsMax: 200 },
    this.random,
  );
  readonly tables = Array.from(
    { length: NODE_COUNT },
    (_, index) =>
      new ReplicaTable({ version: 1n << 32n }, { self: idOf(index), random: this.random }),
  );

  constructor() {
    this.tables.forEach((_, index) => {
      this.#beat(index);
    });
  }

  change(index: number): void {
    const announcement = this.tables[index]?.announce(anyChange(this.random), this.network.nowMs);
    if (announcement) {
      this.#gossip(index, (table) => table.take(announcement, this.network.nowMs));
    }
  }

  /** What each node says of all. */
  told(): string[] {
    return this.tables.map((table) =>
      table
        .replicas(0)
        .map(({ record: { name, manifest }, holder: { node, state } }) =>
          [node, name, manifest, state].join(" "),
        )
        .toSorted()
        .join("\n"),
    );
  }

  /** Runs on until all say the same; false when that takes too long. */
  converge(): boolean {
    const endMs = this.network.nowMs + CONVERGENCE_MS_MAX;
    while (this.network.nowMs < endMs) {
      this.network.run(1_000);
      if (new Set(this.told()).size === 1) return true;
    }
    return false;
  }

  #beat(index: number): void {
    const version = this.tables[index]?.version ?? 0n;
    this.#gossip(index, (table) => table.heard(idOf(index), version));
    this.#fetch(index);
    const dueMs = this.network.nowMs + HEARTBEAT_INTERVAL_MS;
    this.network.at(dueMs, () => this.#beat(index));
  }

  #gossip(from: number, tell: (table: ReplicaTable) => void): void {
    this.tables.forEach((table, to) => {
      if (to === from) return;
      this.network.send(from, to, () => {
        tell(table);
        this.#fetch(to);
      });
    });
  }

  #fetch(index: number): void {
    const table = this.tables[index];
    for (const node of table?.toFetch(this.network.nowMs) ?? []) {
      const holder = Number(node);
      let isDone = false;
      const finish = (list?: ReplicaList): void => {
        if (isDone) return;
        isDone = true;
        if (list) table?.fetched(node, list, this.network.nowMs);
        else table?.notFetched(node, this.network.nowMs);
      };
      this.network.send(index, holder, () => {
        const list = this.tables[holder]?.ownList();
        this.network.send(holder, index, () => finish(list));
      });
      this.network.at(this.network.nowMs + FETCH_TIMEOUT_MS, () => finish());
    }
  }
}

function idOf(index: number): NodeId {
  return String(index) as NodeId;
}

t.test(`tables converge though ${100 * LOSS_SHARE} % is lost, seed ${seed}`, (t) => {
  const tables = new Tables();
  for (let change = 0; change < 1_000; change++) {
    tables.change(Math.floor(NODE_COUNT * tables.random.next()));
    tables.network.run(20);
  }
  t.ok(tables.converge(), "everybody says the same of everybody");
  t.ok((tables.told()[0]?.length ?? 0) > 0, "and it is not nothing");
  t.end();
});

t.test(`tables of a partition converge once it heals, seed ${seed}`, (t) => {
  const tables = new Tables();
  tables.network.partition(tables.tables.map((_, index) => index % 2));
  for (let change = 0; change < 200; change++) {
    tables.change(Math.floor(NODE_COUNT * tables.random.next()));
    tables.network.run(20);
  }
  t.ok(new Set(tables.told()).size > 1);
  tables.network.heal();
  t.ok(tables.converge(), "everybody says the same of everybody");
  t.end();
});
