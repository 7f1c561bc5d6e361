import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import t, { type Test } from "tap";
import { MemoryPeers } from "../../test/fixtures/peer-streams.ts";
import {
  ReplicationNode,
  type TestModel,
  testModel,
} from "../../test/fixtures/replication-node.ts";
import { until } from "../../test/fixtures/until.ts";
import { systemClock } from "../core/clock.ts";
import { PIECE_BYTES } from "../core/pieces.ts";
import type { PeerStream } from "../core/ports.ts";
import type { LocalBlobs } from "./holding.ts";
import { encodeHead, HASH_BYTES } from "./wire.ts";

const { signal } = new AbortController();
const o = { signal };

const MODEL = testModel(
  randomBytes(5 * PIECE_BYTES + 1_000),
  randomBytes(PIECE_BYTES),
  Buffer.from("a template"),
);
const LARGE = MODEL.blobs.toSorted((a, b) => b.sizeBytes - a.sizeBytes)[0];
if (!LARGE) throw new Error("fixture");

function copy(node: ReplicationNode, model: TestModel, holders: readonly ReplicationNode[]) {
  const request = {
    model: model.model,
    name: model.name,
    holders: () => holders.map(({ id }) => id),
  };
  return node.copier.copy(request, o);
}

function holds(t: Test, node: ReplicationNode, model: TestModel, row = ""): void {
  t.ok(node.installed.has(model.model), `${row} has its name`);
  for (const blob of model.blobs) {
    const bytes = model.contents.get(blob.digest);
    t.ok(bytes && readFileSync(node.pathOf(blob)).equals(bytes), `${row} ${blob.sizeBytes} bytes`);
  }
  t.equal(readdirSync(node.layout.blobsDir).length, model.blobs.length, `${row} nothing else`);
}

t.test("a model comes whole, from one holder and from several", async (t) => {
  for (const count of [1, 3]) {
    const peers = new MemoryPeers();
    const holders = Array.from({ length: count }, (_, i) =>
      new ReplicationNode(t, peers, i + 1).hold(MODEL),
    );
    const node = new ReplicationNode(t, peers, 9);
    const copying = copy(node, MODEL, holders);
    t.match(node.copier.transfers(), [{ model: MODEL.model, doneBytes: 0 }]);
    await t.rejects(copy(node, MODEL, holders), { code: "COPY_RUNNING" });
    await copying;
    holds(t, node, MODEL, `${count} holders`);
    t.same(node.copier.transfers(), []);
    t.same(node.bad, []);
    const total = MODEL.blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    t.equal(node.metrics.value("ollamamax_replication_received_bytes_total"), total);
    t.equal(node.metrics.value("ollamamax_replication_copies_total", { result: "done" }), 1);
    await copy(node, MODEL, holders);
    t.equal(node.metrics.value("ollamamax_replication_received_bytes_total"), total, "not again");
    await until(() => peers.open === 0);
  }
});

t.test("empty blobs", async (t) => {
  const peers = new MemoryPeers();
  const model = testModel(Buffer.alloc(0));
  const holder = new ReplicationNode(t, peers, 1).hold(model);
  const node = new ReplicationNode(t, peers, 2);
  await copy(node, model, [holder]);
  holds(t, node, model);
});

/** Changes what the large blob's pieces are made of. */
function reading(
  read: (bytes: Uint8Array) => Uint8Array | undefined,
): (blobs: LocalBlobs) => LocalBlobs {
  return (blobs) => ({
    stat: (digest) => blobs.stat(digest),
    piecesOf: (digest) => blobs.piecesOf(digest),
    async *read(digest, range, o) {
      for await (const bytes of blobs.read(digest, range, o)) {
        const changed = range.start > 0 ? read(bytes) : bytes;
        if (changed) yield changed;
      }
    },
  });
}

function flipped(bytes: Uint8Array): Uint8Array {
  const wrong = Buffer.from(bytes);
  wrong[7] = (wrong[7] ?? 0) ^ 1;
  return wrong;
}

t.test("a holder that fails is made up for by another", async (t) => {
  const fail = (): never => {
    throw new Error("EIO");
  };
  const rows: [string, (bytes: Uint8Array) => Uint8Array | undefined, string | undefined][] = [
    ["wrong bytes", flipped, "wrong_bytes"],
    ["too few bytes", () => undefined, "protocol"],
    ["too many bytes", (bytes) => Buffer.concat([bytes, Buffer.alloc(1)]), "protocol"],
    ["a disk that fails", fail, undefined],
  ];
  for (const [row, change, offence] of rows) {
    const peers = new MemoryPeers();
    let hasServed = false;
    const serve = reading((bytes) => {
      hasServed = true;
      return change(bytes);
    });
    const bad = new ReplicationNode(t, peers, 1, { serve }).hold(MODEL);
    // It makes its hashes of what is on its disk.
    await bad.hashes.keep(
      LARGE,
      await new ReplicationNode(t, peers, 3).hold(MODEL).hashes.make(LARGE, o),
    );
    const good = new ReplicationNode(t, peers, 2).hold(MODEL);
    const node = new ReplicationNode(t, peers, 9);
    const holders = () => (hasServed ? [bad.id, good.id] : [bad.id]);
    await node.copier.copy({ model: MODEL.model, name: MODEL.name, holders }, o);
    holds(t, node, MODEL, row);
    if (offence === undefined) {
      t.same(node.bad, [], row);
      continue;
    }
    t.match(node.bad, [{ node: bad.id, model: MODEL.model, offence }], row);
    const metric = "ollamamax_replication_bad_peers_total";
    t.equal(node.metrics.value(metric, { offence }), 1, row);
  }
});

/** A peer that answers as it likes. */
type Answer = (stream: PeerStream, call: string) => Promise<void>;

t.test("hostile answers end well, from somebody else", async (t) => {
  const head = (value: object) => encodeHead(value as Parameters<typeof encodeHead>[0]);
  const always =
    (...messages: readonly Uint8Array[]): Answer =>
    async (stream) => {
      for (const message of messages) await stream.send(message, { signal: stream.signal });
      await stream.end({ signal: stream.signal });
    };
  const state = head({ reply: "state", sizeBytes: LARGE.sizeBytes, have: "whole" });
  const rows: [string, Answer][] = [
    ["nothing", always()],
    ["no JSON", always(Buffer.from("{"))],
    ["JSON of something else", always(Buffer.from('{"reply":"hello"}'))],
    ["a head without end", always(Buffer.alloc(2 ** 21, " "))],
    ["absent", always(head({ reply: "absent" }))],
    ["busy for ever", always(head({ reply: "busy" }))],
    ["broken", always(head({ reply: "error", message: "x" }))],
    ["a size below zero", always(Buffer.from('{"reply":"state","sizeBytes":-1,"have":"whole"}'))],
    [
      "a manifest of another digest",
      always(head({ reply: "manifest", sizeBytes: 2 }), Buffer.from("{}")),
    ],
    ["a manifest too large", always(head({ reply: "manifest", sizeBytes: 2 ** 40 }))],
    [
      "a bitmap that does not fit",
      always(head({ reply: "state", sizeBytes: LARGE.sizeBytes, have: Buffer.alloc(9) })),
    ],
    ["a blob of another size", always(head({ reply: "state", sizeBytes: 5, have: "whole" }))],
    ["state for everything", always(state)],
    ["state, and more", always(state, Buffer.from("x"))],
    [
      "pieces that nobody wants",
      async (stream, call) => {
        const answer =
          call === "state" ? state : head({ reply: "pieces", pieces: [1_000], have: "whole" });
        await always(answer)(stream, call);
      },
    ],
    [
      "pieces of no bytes",
      async (stream, call) => {
        if (call === "state") return await always(state)(stream, call);
        await always(head({ reply: "pieces", pieces: [0, 1, 2, 3, 4], have: "whole" }))(
          stream,
          call,
        );
      },
    ],
    ["a reset", async (stream) => await stream[Symbol.asyncDispose]()],
  ];
  for (const [row, answer] of rows) {
    const peers = new MemoryPeers();
    const bad = new ReplicationNode(t, peers, 1);
    bad.streams.handle("blob", async (stream) => {
      const request = await stream.receive({ signal: stream.signal });
      if (request) await answer(stream, JSON.parse(Buffer.from(request).toString()).call);
    });
    const good = new ReplicationNode(t, peers, 2).hold(MODEL);
    const node = new ReplicationNode(t, peers, 9);
    await copy(node, MODEL, [bad, good]);
    holds(t, node, MODEL, row);
    t.ok(
      node.bad.every(({ node }) => node === bad.id),
      `${row}: ${node.bad.length} reports`,
    );
  }
});

t.test("a peer that stalls is left", async (t) => {
  const peers = new MemoryPeers();
  const stalling = new ReplicationNode(t, peers, 1, {
    serve: (blobs) => ({
      stat: (digest) => blobs.stat(digest),
      piecesOf: (digest) => blobs.piecesOf(digest),
      async *read(_digest, _range, { signal }) {
        await new Promise((_, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason));
        });
        yield Buffer.alloc(0);
      },
    }),
  }).hold(MODEL);
  const good = new ReplicationNode(t, peers, 2).hold(MODEL);
  const node = new ReplicationNode(t, peers, 9, { options: { stallMs: 300 } });
  await copy(node, MODEL, [stalling, good]);
  holds(t, node, MODEL);
  t.same(node.bad, []);
});

t.test("wrong hashes poison nobody", async (t) => {
  const wrong = randomBytes(6 * HASH_BYTES);
  const rows: [string, number][] = [
    ["one against one", 1],
    ["one against two", 2],
  ];
  for (const [row, honest] of rows) {
    const peers = new MemoryPeers();
    const liar = new ReplicationNode(t, peers, 1).hold(MODEL);
    await liar.hashes.keep(LARGE, wrong);
    const others = Array.from({ length: honest }, (_, i) =>
      new ReplicationNode(t, peers, 2 + i).hold(MODEL),
    );
    const node = new ReplicationNode(t, peers, 9);
    await copy(node, MODEL, [liar, ...others]);
    holds(t, node, MODEL, row);
    t.match(node.bad, [{ node: liar.id, offence: "wrong_hashes" }], row);
    t.equal(node.bad.length, 1, row);
  }
});

t.test("a liar whose bytes match its hashes is found by the whole", async (t) => {
  const peers = new MemoryPeers();
  const liar = new ReplicationNode(t, peers, 1).hold(MODEL);
  const bytes = MODEL.contents.get(LARGE.digest);
  writeFileSync(liar.pathOf(LARGE), flipped(bytes ?? Buffer.alloc(0)));
  const good = new ReplicationNode(t, peers, 2).hold(MODEL);
  const node = new ReplicationNode(t, peers, 9);
  await copy(node, MODEL, [liar, good]);
  holds(t, node, MODEL);
  t.ok(node.bad.length > 0);
  t.ok(
    node.bad.every(({ node }) => node === liar.id),
    "and nobody else",
  );
});

t.test("nobody has it", async (t) => {
  const peers = new MemoryPeers();
  const liar = new ReplicationNode(t, peers, 1, { serve: reading(flipped) }).hold(MODEL);
  await liar.hashes.make(LARGE, o);
  const empty = new ReplicationNode(t, peers, 2);
  const rows: [string, ReplicationNode[]][] = [
    ["no holder", []],
    ["one without it", [empty]],
    ["one that is away", [new ReplicationNode(t, new MemoryPeers(), 3)]],
    ["one that sends wrong bytes", [liar]],
  ];
  for (const [row, holders] of rows) {
    const node = new ReplicationNode(t, peers, 9, { options: { patienceMs: 600 } });
    await t.rejects(copy(node, MODEL, holders), { code: "NO_SOURCE" }, row);
    t.notOk(node.installed.has(MODEL.model), row);
    t.notOk(existsSync(node.pathOf(LARGE)), row);
    t.equal(node.metrics.value("ollamamax_replication_copies_total", { result: "failed" }), 1, row);
  }
});

/** A copy takes long enough to be met in the middle. */
const HELD_BACK = { bytesPerSecondMax: 8_000_000 };
/** Ten seconds of it are one. */
const HURRIED = {
  nowMs: () => systemClock.nowMs() / 10,
  wallMs: () => systemClock.wallMs(),
};

t.test("cut off, it goes on where it was, from whoever is there then", async (t) => {
  const peers = new MemoryPeers();
  const first = new ReplicationNode(t, peers, 1).hold(MODEL);
  const node = new ReplicationNode(t, peers, 9, HELD_BACK);
  const stopping = new AbortController();
  const request = { model: MODEL.model, name: MODEL.name, holders: () => [first.id] };
  const copying = node.copier.copy(request, { signal: stopping.signal });
  await until(() => (node.blobs.piecesOf(LARGE.digest)?.doneBytes ?? 0) >= PIECE_BYTES);
  stopping.abort(new Error("stop"));
  await t.rejects(copying, /stop/);
  t.equal(node.metrics.value("ollamamax_replication_copies_total", { result: "cancelled" }), 1);
  peers.kill(first.id);
  const second = new ReplicationNode(t, peers, 2).hold(MODEL);
  await copy(node, MODEL, [first, second]);
  holds(t, node, MODEL);
  const sent = second.metrics.value("ollamamax_replication_sent_bytes_total");
  t.ok(sent < LARGE.sizeBytes, `${sent} of ${LARGE.sizeBytes} bytes`);
});

t.test("sources come and go", async (t) => {
  const peers = new MemoryPeers();
  const node = new ReplicationNode(t, peers, 9, HELD_BACK);
  let holders: readonly ReplicationNode[] = [];
  const first = new ReplicationNode(t, peers, 1).hold(MODEL);
  const second = new ReplicationNode(t, peers, 2).hold(MODEL);
  const name = MODEL.name;
  const ids = () => holders.map(({ id }) => id);
  const copying = node.copier.copy({ model: MODEL.model, name, holders: ids }, o);
  holders = [first];
  await until(() => (node.blobs.piecesOf(LARGE.digest)?.doneBytes ?? 0) >= PIECE_BYTES);
  holders = [first, second];
  peers.kill(first.id);
  await copying;
  holds(t, node, MODEL);
  t.same(node.bad, []);
});

t.test("eight nodes get it from one, and from each other", async (t) => {
  const peers = new MemoryPeers();
  const model = testModel(randomBytes(16 * PIECE_BYTES));
  // Nine nodes in one process: what is late by the real clock is not late here.
  const clock = { ...HURRIED, sleep: systemClock.sleep.bind(systemClock) };
  const origin = new ReplicationNode(t, peers, 1, { clock }).hold(model);
  const nodes = Array.from(
    { length: 8 },
    (_, i) => new ReplicationNode(t, peers, 2 + i, { clock }),
  );
  await Promise.all(
    nodes.map((node) => copy(node, model, [origin, ...nodes.filter((other) => other !== node)])),
  );
  for (const node of nodes) holds(t, node, model);
  const sent = origin.metrics.value("ollamamax_replication_sent_bytes_total");
  const share = sent / (16 * PIECE_BYTES);
  t.ok(share <= 1.5, `the origin sent ${share.toFixed(2)} × the blob`);
});
