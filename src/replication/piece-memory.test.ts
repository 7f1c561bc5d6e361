import fc from "fast-check";
import t from "tap";
import { PIECE_BYTES } from "../core/pieces.ts";
import { BufferPool } from "./buffer-pool.ts";
import { PieceMemory } from "./piece-memory.ts";

/** Two whole pieces and some bytes. */
const BLOB = { sizeBytes: 2 * PIECE_BYTES + 1_000 };
const ORDER = [2, 0, 1];
const sizeOf = (piece: number): number => (piece === 2 ? 1_000 : PIECE_BYTES);

t.test("messages lie one behind the other, from wherever the first ones went", (t) => {
  const cuts = fc.array(fc.integer({ min: 1, max: PIECE_BYTES }), { maxLength: 40 });
  fc.assert(
    fc.property(cuts, fc.nat(8), (cuts, elsewhere) => {
      const memory = new PieceMemory(BLOB, ORDER);
      const lengths = ORDER.flatMap((piece) => {
        const parts: number[] = [];
        for (let rest = sizeOf(piece); rest > 0; rest -= parts.at(-1) ?? 0) {
          parts.push(Math.min(rest, cuts[parts.length] ?? rest));
        }
        return parts;
      });
      const first = lengths.slice(0, elsewhere);
      memory.skip(first.reduce((sum, length) => sum + length, 0));
      let start = 0;
      let index = 0;
      for (const [i, length] of lengths.entries()) {
        const place = i < first.length ? undefined : memory.place(length);
        const all = memory.of(index);
        if (i >= first.length) {
          if (place?.length !== length || place.buffer !== all.buffer) return false;
          if (place.byteOffset !== all.byteOffset + start) return false;
        }
        start += length;
        if (start < all.length) continue;
        memory.leave(index++);
        start = 0;
      }
      return memory.place(1) === undefined;
    }),
    { numRuns: 200 },
  );
  t.end();
});

t.test("a message that does not belong there gets no place", (t) => {
  const memory = new PieceMemory(BLOB, ORDER);
  t.equal(memory.place(1_001), undefined, "bytes of two pieces");
  t.equal(memory.place(PIECE_BYTES), undefined, "bytes of two pieces again");
  t.equal(memory.place(2 * PIECE_BYTES), undefined, "more than there is");
  t.equal(memory.place(1), undefined, "after the end");
  t.end();
});

t.test("memory is used again, and no more of it kept than is allowed", (t) => {
  let made = 0;
  const make = (bytes: number): ArrayBuffer => {
    made++;
    return new ArrayBuffer(bytes);
  };
  const pool = new BufferPool({ bufferBytes: 10, keptMax: 2, make });
  const [a, b, c] = [pool.take(10), pool.take(5), pool.take(0)];
  t.same([a.length, b.length, c.length, made], [10, 5, 0, 3]);
  t.equal(new Set([a.buffer, b.buffer, c.buffer]).size, 3);
  pool.give(b);
  pool.give(b.subarray(2));
  t.equal(pool.take(10).buffer, b.buffer, "all of it");
  t.not(pool.take(10).buffer, b.buffer, "once, however often it was given");
  for (const bytes of [a, b, c]) pool.give(bytes);
  pool.give(new Uint8Array(9));
  made = 0;
  for (let i = 0; i < 3; i++) pool.take(10);
  t.equal(made, 1);
  t.throws(() => pool.take(11), /more than/);
  t.end();
});
