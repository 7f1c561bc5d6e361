import fc from "fast-check";
import t from "tap";
import { digestOf } from "../../test/fixtures/memory-store.ts";
import { patternBytes } from "../../test/fixtures/registry-model.ts";
import { PIECE_BYTES, pieceRange } from "../core/pieces.ts";
import { cutPieces } from "./piece-cutter.ts";

const BYTES = patternBytes(2 * PIECE_BYTES + 1_000);
const blob = { digest: digestOf(BYTES), sizeBytes: BYTES.length };
const whole = { start: 0, end: BYTES.length };

async function* chunksOf(bytes: Uint8Array, cuts: readonly number[]): AsyncIterable<Uint8Array> {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length];
  places.sort((a, b) => a - b);
  for (const [at, end] of places.slice(1).entries()) yield bytes.subarray(places[at], end);
}

t.test("however the bytes come, the pieces are the same", async (t) => {
  const cuts = fc.array(fc.nat(BYTES.length), { maxLength: 20 });
  const property = fc.asyncProperty(cuts, fc.nat(2), async (cutAt, first) => {
    const start = first * PIECE_BYTES;
    const seen: number[] = [];
    const chunks = chunksOf(BYTES.subarray(start), cutAt);
    for await (const { piece, bytes } of cutPieces(blob, { start, end: blob.sizeBytes }, chunks)) {
      const at = pieceRange(blob, piece);
      if (Buffer.compare(bytes, BYTES.subarray(at.start, at.end)) !== 0) return false;
      seen.push(piece);
    }
    return seen.join() === [0, 1, 2].slice(first).join();
  });
  await fc.assert(property, { numRuns: 30 });
  t.pass("at any cuts");
});

t.test("too few and too many", async (t) => {
  const pieces: number[] = [];
  const read = async (bytes: Uint8Array): Promise<void> => {
    const chunks = chunksOf(bytes, [5, PIECE_BYTES + 5]);
    for await (const { piece } of cutPieces(blob, whole, chunks)) pieces.push(piece);
  };
  await t.rejects(read(BYTES.subarray(0, -1)), { code: "CUT_OFF", message: "1 bytes are missing" });
  t.same(pieces.splice(0), [0, 1]);
  await t.rejects(read(Buffer.alloc(0)), { code: "CUT_OFF" });
  await t.rejects(read(Buffer.concat([BYTES, Buffer.from("x")])), { code: "REGISTRY_INVALID" });
});
