import fc from "fast-check";
import t from "tap";
import { PIECE_BYTES, pieceCount } from "../core/pieces.ts";
import { firstGap, parseContentRange, partBytes, planParts, planUpload } from "./part-plan.ts";

const MB = 1_000_000;

t.test("Ollama's sizes of parts", (t) => {
  const rows: readonly [sizeBytes: number, expected: number][] = [
    [0, 100 * MB],
    [1, 100 * MB],
    [1_600 * MB, 100 * MB],
    [1_600 * MB + 16, 100 * MB + 1],
    [16_000 * MB, 1_000 * MB],
    [400_000 * MB, 1_000 * MB],
  ];
  for (const [sizeBytes, expected] of rows) t.equal(partBytes(sizeBytes), expected, `${sizeBytes}`);
  t.same(planParts(0), []);
  t.same(planUpload(0), []);
  t.same(planUpload(100 * MB + 1), [
    { start: 0, end: 100 * MB },
    { start: 100 * MB, end: 100 * MB + 1 },
  ]);
  t.end();
});

const sizes = fc.oneof(
  fc.integer({ min: 0, max: 3 * PIECE_BYTES }),
  fc.integer({ min: 0, max: 2 ** 44 }),
);

t.test("parts cover a blob, each once and in their order", (t) => {
  fc.assert(
    fc.property(sizes, (sizeBytes) => {
      const parts = planParts(sizeBytes);
      const upload = planUpload(sizeBytes);
      const follows = parts.every(
        ({ first, end }, at) => first === (parts[at - 1]?.end ?? 0) && end > first,
      );
      const uploads = upload.every(
        ({ start, end }, at) => start === (upload[at - 1]?.end ?? 0) && end > start,
      );
      const ends =
        (parts.at(-1)?.end ?? 0) === pieceCount(sizeBytes) &&
        (upload.at(-1)?.end ?? 0) === sizeBytes;
      // All but the last are as large as Ollama's, rounded up to whole pieces.
      const large = parts.slice(0, -1).every(({ first, end }) => {
        const spare = (end - first) * PIECE_BYTES - partBytes(sizeBytes);
        return spare >= 0 && spare < PIECE_BYTES;
      });
      return follows && uploads && ends && large;
    }),
  );
  t.pass("of any size");
  t.end();
});

t.test("gaps are what is missing, all of it", (t) => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 60 }), fc.nat(10), (pieces, first) => {
      const here = new Set<number>();
      for (const [piece, isHere] of pieces.entries()) if (isHere) here.add(first + piece);
      const span = { first, end: first + pieces.length };
      const fetched: number[] = [];
      const has = (piece: number): boolean => here.has(piece);
      for (let gap = firstGap(span, has); gap; gap = firstGap(span, has)) {
        if (here.has(gap.end) === (gap.end === span.end)) return false;
        for (let piece = gap.first; piece < gap.end; piece++) {
          fetched.push(piece);
          here.add(piece);
        }
      }
      const missing = pieces.flatMap((isHere, piece) => (isHere ? [] : [first + piece]));
      return fetched.join() === missing.join();
    }),
  );
  t.pass("of any pieces");
  t.end();
});

t.test("content ranges", (t) => {
  const rows: readonly [text: string, expected: ReturnType<typeof parseContentRange>][] = [
    ["bytes 0-4/20", { start: 0, end: 5, sizeBytes: 20 }],
    ["Bytes 19-19/20", { start: 19, end: 20, sizeBytes: 20 }],
    ["bytes 5-9/*", { start: 5, end: 10, sizeBytes: undefined }],
    ["bytes 5-4/20", undefined],
    ["bytes 5-20/20", undefined],
    ["bytes */20", undefined],
    ["bytes 0-4", undefined],
    ["bytes -4/20", undefined],
    ["bytes=0-4/20", undefined],
    ["items 0-4/20", undefined],
    ["bytes 0-4/20, 5-9/20", undefined],
    [`bytes 0-${"9".repeat(30)}/*`, undefined],
    ["", undefined],
  ];
  for (const [text, expected] of rows) t.same(parseContentRange(text), expected, text);
  fc.assert(
    fc.property(fc.nat(), fc.nat(), fc.nat(), (start, more, after) => {
      const sizeBytes = start + more + 1 + after;
      const parsed = parseContentRange(`bytes ${start}-${start + more}/${sizeBytes}`);
      return parsed?.start === start && parsed.end === start + more + 1;
    }),
  );
  t.end();
});
