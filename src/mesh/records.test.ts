import t from "tap";
import { parseManifestDigest } from "../core/digest.ts";
import type { LoadedModel } from "../core/inference.ts";
import type { ModelRecord } from "../core/model.ts";
import { parseNodeId } from "../core/node-id.ts";
import type { NodeReport } from "../core/node-view.ts";
import { MembershipGossipSchema, ReplicaAnnouncementSchema } from "../gen/ollamamax/v1/mesh_pb.ts";
import { codec } from "./codec.ts";
import { RECORD_BYTES_MAX } from "./limits.ts";
import { decodeGossip, encodeGossip, type HeartbeatRecord } from "./membership-records.ts";
import { decodeAnnouncement, encodeAnnouncement } from "./replica-records.ts";

const id = (letter: string) => {
  const parsed = parseNodeId(`12D3Koo${letter.repeat(45)}`);
  if (!parsed) throw new Error("not a node id");
  return parsed;
};
/** As a peer without our types could send it. */
// biome-ignore lint/suspicious/noExplicitAny: what is tested here is what the types forbid
type Anything = any;

const [A, B] = [id("A"), id("B")];
const MANIFEST = parseManifestDigest("ab".repeat(32));
if (!MANIFEST) throw new Error("not a digest");

const loaded: LoadedModel = {
  model: MANIFEST,
  sizeBytes: 5_000_000_000,
  vramBytes: 0,
  contextLength: 4_096,
  expiresInMs: 300_000,
};
const report: NodeReport = {
  name: "node-1",
  region: "eu",
  zone: "a",
  version: "0.1.0",
  state: "draining",
  load: { running: 1, queued: 2, slots: 4 },
  loaded: [loaded, { ...loaded, expiresInMs: Number.POSITIVE_INFINITY }],
  freeMemoryBytes: 2 ** 40,
  freeDiskBytes: 123,
  apiUrl: "http://192.0.2.1:11434",
};
const heartbeat: HeartbeatRecord = {
  node: A,
  incarnation: (3n << 32n) | 7n,
  sequence: 12n,
  report,
  multiaddrs: ["/ip4/192.0.2.1/tcp/4001"],
  replicaVersion: 9n,
  ttlMs: 4_000,
};
const update = { node: B, incarnation: 5n, health: "suspect", multiaddrs: [] } as const;

const model: ModelRecord = {
  name: "registry.ollama.ai/library/tiny-chat:latest",
  manifest: MANIFEST,
  sizeBytes: 2_000_000,
  modifiedAtMs: 1_790_000_000_000,
  details: {
    parentModel: "",
    format: "gguf",
    family: "llama",
    families: ["llama"],
    parameterSize: "1.2M",
    quantizationLevel: "Q8_0",
    contextLength: 512,
  },
  capabilities: ["completion", "tools"],
};

t.test("records survive the wire", async (t) => {
  const gossip = { heartbeat, updates: [update] };
  t.same(decodeGossip(encodeGossip(gossip), A), gossip);
  t.same(decodeGossip(encodeGossip({ updates: [update] }), A), { updates: [update] });
  for (const state of ["syncing", "ready", "failed"] as const) {
    const record = { node: A, version: 4n, change: { state, record: model } };
    t.same(decodeAnnouncement(encodeAnnouncement(record), A), record);
  }
  const removed = { node: A, version: 5n, change: { state: "removed", name: model.name } } as const;
  t.same(decodeAnnouncement(encodeAnnouncement(removed), A), removed);
});

t.test("records stay within 4 KB: what matters least goes first", async (t) => {
  const big: HeartbeatRecord = {
    ...heartbeat,
    report: {
      ...report,
      name: "n".repeat(500),
      loaded: Array.from({ length: 100 }, () => loaded),
    },
    multiaddrs: Array.from({ length: 30 }, (_, i) => `/dns/${"d".repeat(230)}${i}/tcp/4001`),
  };
  const bytes = encodeGossip({ heartbeat: big, updates: Array.from({ length: 40 }, () => update) });
  t.ok(bytes.length <= RECORD_BYTES_MAX);
  const decoded = decodeGossip(bytes, A);
  t.equal(decoded.heartbeat?.multiaddrs.length, 8);
  t.equal(decoded.heartbeat?.report.name.length, 128);
  t.ok((decoded.heartbeat?.report.loaded.length ?? 0) > 10);
  const families = Array.from({ length: 40 }, () => "f".repeat(300));
  const record = { ...model, details: { ...model.details, families } };
  const announced = encodeAnnouncement({
    node: A,
    version: 1n,
    change: { state: "ready", record },
  });
  t.ok(announced.length <= RECORD_BYTES_MAX);
  t.ok(decodeAnnouncement(announced, A));
});

t.test("what a peer must not send", async (t) => {
  const valid = codec(MembershipGossipSchema).decode(
    encodeGossip({ heartbeat, updates: [update] }),
  );
  const wire = valid.heartbeat;
  if (!wire) throw new Error("no heartbeat");
  const rows: Record<string, Anything> = {
    "another node's name": { heartbeat: { ...wire, nodeId: B } },
    "no node id": { heartbeat: { ...wire, nodeId: "somebody" } },
    "an unknown state": { heartbeat: { ...wire, state: 77 } },
    "no state": { heartbeat: { ...wire, state: 0 } },
    "a long name": { heartbeat: { ...wire, name: "x".repeat(200) } },
    "control characters": { heartbeat: { ...wire, name: "a\u001b[31m" } },
    "another scheme": { heartbeat: { ...wire, apiUrl: "javascript:alert(1)" } },
    "too many addresses": {
      heartbeat: { ...wire, multiaddrs: Array(9).fill("/ip4/1.2.3.4/tcp/1") },
    },
    "a size beyond 2^53": { heartbeat: { ...wire, freeDiskBytes: 2n ** 60n } },
    "a digest of another length": {
      heartbeat: { ...wire, loaded: [{ ...wire.loaded[0], manifest: new Uint8Array(5) }] },
    },
    "too many updates": { updates: Array(17).fill(valid.updates[0]) },
    "an update about nobody": { updates: [{ nodeId: "", health: 2 }] },
    "an update without health": { updates: [{ nodeId: B }] },
  };
  for (const [name, value] of Object.entries(rows)) {
    t.throws(
      () => decodeGossip(codec(MembershipGossipSchema).encode(value), A),
      { code: "RECORD_INVALID" },
      name,
    );
  }
  t.throws(() => decodeGossip(Buffer.from("garbage"), A), { code: "RECORD_INVALID" });
});

t.test("what a peer must not announce", async (t) => {
  const schema = codec(ReplicaAnnouncementSchema);
  const valid = schema.decode(
    encodeAnnouncement({ node: A, version: 1n, change: { state: "ready", record: model } }),
  );
  const record = valid.replica?.record;
  const rows: Record<string, Anything> = {
    "in another's name": { ...valid, nodeId: B },
    "no replica": { nodeId: A },
    "no model": { nodeId: A, replica: { state: 2 } },
    "no state": { nodeId: A, replica: { record } },
    "no model name": { nodeId: A, replica: { state: 2, record: { ...record, name: "../../x" } } },
    "a removed model without a name": { nodeId: A, replica: { state: 4, record: {} } },
    "no digest": { nodeId: A, replica: { state: 2, record: { name: model.name } } },
  };
  for (const [name, value] of Object.entries(rows)) {
    t.throws(() => decodeAnnouncement(schema.encode(value), A), { code: "RECORD_INVALID" }, name);
  }
  const newer: Anything = {
    ...valid,
    replica: { ...valid.replica, record: { ...record, capabilities: ["tools", "telepathy"] } },
  };
  const { change } = decodeAnnouncement(schema.encode(newer), A);
  t.match(
    change,
    { record: { capabilities: ["tools"] } },
    "a newer version's capability is left out",
  );
});
