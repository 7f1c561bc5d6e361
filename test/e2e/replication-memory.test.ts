import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import t, { type Test } from "tap";
import { BlobFolder } from "../../src/blobs/blob-folder.ts";
import { blobPath, layoutOf } from "../../src/blobs/layout.ts";
import { PieceFolder } from "../../src/blobs/piece-folder.ts";
import { systemClock } from "../../src/core/clock.ts";
import { type BlobDigest, parseBlobDigest } from "../../src/core/digest.ts";
import { silentLog } from "../../src/core/log.ts";
import { type BlobId, PIECE_BYTES, pieceRange } from "../../src/core/pieces.ts";
import { PooledStreams } from "../../src/mesh/pooled-streams.ts";
import { BlobPeer } from "../../src/replication/blob-peer.ts";
import { BufferPool } from "../../src/replication/buffer-pool.ts";
import { Pace } from "../../src/replication/pace.ts";
import { PieceHashes } from "../../src/replication/piece-hashes.ts";
import { serveBlobs } from "../../src/replication/serve-blobs.ts";
import { HastyClock } from "../fixtures/hasty-clock.ts";
import { openTestNode } from "../fixtures/libp2p-nodes.ts";
import { recordingMetrics } from "../fixtures/recording-metrics.ts";
import { tempFolder } from "../fixtures/temp-folder.ts";

// Pieces over a real link, from memory that is used again into memory that is used again: nobody sees other bytes than those
// that were meant for them.

const o = { signal: AbortSignal.timeout(120_000) };
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
const PIECES = 6;
const BYTES = randomBytes((PIECES - 1) * PIECE_BYTES + 70_001);
/** With steps of this, each part of a megabyte ends with a message that the channel copies (28 of 1,024 KiB). */
const STEP_BYTES = 340_000;
const STEPS_PER_SECOND = 10;

async function openStreams(t: Test) {
  const node = await openTestNode();
  const { libp2p, links } = node;
  const deps = { libp2p, links, clock: systemClock, log: silentLog, isDenied: () => false };
  const streams = await PooledStreams.open(deps);
  t.teardown(async () => {
    await streams[Symbol.asyncDispose]();
    await node[Symbol.asyncDispose]();
  });
  return { node, streams };
}

/** What a node has of the blob: in its folder, or as pieces that are still arriving. */
async function stored(t: Test, state: "whole" | "arriving") {
  const layout = layoutOf(tempFolder(t));
  for (const dir of [layout.blobsDir, layout.manifestsDir]) mkdirSync(dir, { recursive: true });
  const digest = parseBlobDigest(createHash("sha256").update(BYTES).digest("hex"));
  if (!digest) throw new Error("fixture");
  const blob: BlobId = { digest, sizeBytes: BYTES.length };
  const folder = new BlobFolder(layout);
  const pieces = new PieceFolder(layout, { clock: systemClock });
  if (state === "whole") writeFileSync(blobPath(layout, digest), BYTES);
  else {
    const arriving = await pieces.openPieces(blob, o);
    t.teardown(() => arriving.discard());
    for (let piece = 0; piece < PIECES; piece++) await arriving.write(piece, pieceOf(piece), o);
  }
  const blobs = {
    stat: (digest: BlobDigest) => folder.stat(digest),
    read: folder.read.bind(folder),
    piecesOf: (digest: BlobDigest) => pieces.piecesOf(digest),
  };
  return {
    blob,
    blobs,
    hashes: new PieceHashes({ dir: path.join(layout.dir, "hashes") }, { blobs }),
  };
}

function pieceOf(piece: number): Uint8Array {
  const { start, end } = pieceRange({ sizeBytes: BYTES.length }, piece);
  return BYTES.subarray(start, end);
}

const paces = {
  free: new Pace({ bytesPerSecondBusy: 1 }, { clock: systemClock, isBusy: () => false }),
  "in small steps": new Pace(
    { bytesPerSecondMax: STEP_BYTES * STEPS_PER_SECOND, bytesPerSecondBusy: 1 },
    { clock: new HastyClock(() => false), isBusy: () => false },
  ),
};

for (const state of ["whole", "arriving"] as const) {
  for (const [row, pace] of Object.entries(paces)) {
    t.test(`a blob that is ${state}, sent ${row}`, async (t) => {
      const { blob, blobs, hashes } = await stored(t, state);
      const [from, to] = [await openStreams(t), await openStreams(t)];
      const common = { blobs, hashes, pace, clock: systemClock, log: silentLog };
      using _serving = serveBlobs({
        ...{ ...common, streams: from.streams, metrics: recordingMetrics() },
        manifest: async () => undefined,
      });
      await to.node.libp2p.dial(from.node.libp2p.getMultiaddrs());
      const peer = new BlobPeer(from.node.identity.nodeId, {
        ...{ streams: to.streams, clock: systemClock, stallMs: 60_000 },
      });
      await peer.state(blob.digest, o);
      while (to.streams.links().out === 0) await turn();

      const pool = new BufferPool({
        bufferBytes: PIECE_BYTES,
        keptMax: 4,
        make: (bytes) => new SharedArrayBuffer(bytes),
      });
      const buffers = new Set<ArrayBufferLike>();
      const take = (sizeBytes: number): Uint8Array => {
        const bytes = pool.take(sizeBytes);
        buffers.add(bytes.buffer);
        return bytes;
      };
      const seen: number[] = [];
      const fetch = async (offered: readonly number[]): Promise<void> => {
        const ask = { offered, count: offered.length, again: true };
        for await (const { piece, bytes } of peer.pieces(blob, ask, {
          ...{ ...o, take, onHead: () => {} },
        })) {
          // While somebody works with it, the next ones come.
          for (let turns = 0; turns < 4; turns++) {
            if (Buffer.compare(bytes, pieceOf(piece)) !== 0) t.fail(`piece ${piece} is another`);
            await turn();
          }
          seen.push(piece);
          bytes.fill(0xee);
          pool.give(bytes);
        }
      };
      await Promise.all([fetch([0, 3, 4]), fetch([5, 1, 2])]);
      t.same(
        seen.toSorted((a, b) => a - b),
        Array.from({ length: PIECES }, (_, piece) => piece),
      );
      t.ok(buffers.size < PIECES, `${buffers.size} buffers`);
    });
  }
}
