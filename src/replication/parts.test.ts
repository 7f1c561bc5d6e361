import { createHash, randomBytes } from "node:crypto";
import { readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { ManualClock } from "../../test/fixtures/manual-clock.ts";
import { tempFolder } from "../../test/fixtures/temp-folder.ts";
import { parseBlobDigest } from "../core/digest.ts";
import { PIECE_BYTES } from "../core/pieces.ts";
import { GivenPieces } from "./given-pieces.ts";
import { Pace } from "./pace.ts";
import { hashOf, PieceHashes } from "./piece-hashes.ts";
import { Speed } from "./speed.ts";
import { decodeHead, decodeRequest, encodeHead, encodeRequest, type Request } from "./wire.ts";

const { signal } = new AbortController();
const DIGEST = parseBlobDigest("a".repeat(64));
if (!DIGEST) throw new Error("fixture");

t.test("a pace holds, bursts a little, and yields to inference", async (t) => {
  const clock = new ManualClock();
  let isBusy = false;
  const options = { bytesPerSecondMax: 10_000_000, bytesPerSecondBusy: 1_000_000 };
  const pace = new Pace(options, { clock, isBusy: () => isBusy });
  let taken = 0;
  const taking = (async () => {
    for (; taken < 40; taken++) await pace.take(1_000_000, { signal });
  })();
  await clock.advance(1_000);
  t.equal(taken, 11, "ten in a second, and what was not used before");
  isBusy = true;
  t.equal(pace.stepBytes(), 65_536, "small parts");
  await clock.advance(3_000);
  t.equal(taken, 15, "one more at the old pace, then one a second");
  isBusy = false;
  await clock.advance(900);
  t.equal(taken, 16, "still slow between two requests");
  await clock.advance(10_000);
  await taking;
  const free = new Pace({ bytesPerSecondBusy: 1 }, { clock, isBusy: () => false });
  await free.take(1e12, { signal });
  t.equal(free.stepBytes(), Number.POSITIVE_INFINITY);
  await t.rejects(free.take(1, { signal: AbortSignal.abort() }), { name: "AbortError" });
});

t.test("the pieces given least come first", (t) => {
  const clock = new ManualClock();
  const given = new GivenPieces(clock);
  const offer = (pieces: readonly number[], count: number, again = false) =>
    given.choose(DIGEST, { pieces, count, again }, (piece) => piece < 5);
  t.same(offer([3, 1, 1, 9], 2), [3, 1], "in the order of the offer, and what is here");
  t.same(offer([1, 2, 3], 2), [2], "nothing twice");
  t.same(offer([1, 3], 2), []);
  t.same(offer([1, 3, 0], 3, true), [0, 1, 3], "unless it is wanted");
  t.same(offer([1, 2], 1, true), [2]);
  t.end();
});

t.test("what was given long ago is forgotten", async (t) => {
  const clock = new ManualClock();
  const given = new GivenPieces(clock);
  const offer = { pieces: [0], count: 1, again: false };
  t.same(
    given.choose(DIGEST, offer, () => true),
    [0],
  );
  await clock.advance(59_000);
  t.same(
    given.choose(DIGEST, offer, () => true),
    [],
  );
  await clock.advance(60_000);
  t.same(
    given.choose(DIGEST, offer, () => true),
    [0],
  );
});

t.test("speeds fade", (t) => {
  const speed = new Speed(0, 1_000);
  for (let nowMs = 0; nowMs < 10_000; nowMs += 10) speed.add(1_000, nowMs);
  t.ok(Math.abs(speed.bytesPerSecond(10_000) - 100_000) < 2_000);
  t.ok(speed.bytesPerSecond(20_000) < 100);
  t.end();
});

t.test("hashes are made once, kept, and made again when they are damaged", async (t) => {
  const dir = path.join(tempFolder(t), "hashes");
  const bytes = randomBytes(2 * PIECE_BYTES + 5);
  const digest = parseBlobDigest(createHash("sha256").update(bytes).digest("hex"));
  if (!digest) throw new Error("fixture");
  const blob = { digest, sizeBytes: bytes.length };
  let reads = 0;
  async function* read(_digest: unknown, { start, end }: { start: number; end: number }) {
    reads++;
    yield bytes.subarray(start, end);
  }
  const paced: number[] = [];
  const pace = { take: async (count: number) => void paced.push(count) };
  await using hashes = new PieceHashes({ dir }, { blobs: { read }, pace });
  t.equal(await hashes.known(blob), undefined);
  const [list, same] = await Promise.all([
    hashes.make(blob, { signal }),
    hashes.make(blob, { signal }),
  ]);
  t.equal(reads, 3);
  t.same(paced, [PIECE_BYTES, PIECE_BYTES, 5]);
  t.same(list, same);
  t.same(
    hashOf(list, 2),
    new Uint8Array(
      createHash("sha256")
        .update(bytes.subarray(2 * PIECE_BYTES))
        .digest(),
    ),
  );
  t.same(await hashes.known(blob), Buffer.from(list));
  const file = path.join(dir, digest);
  const whole = readFileSync(file);
  const damages: [string, () => void][] = [
    ["cut off", () => truncateSync(file, whole.length - 1)],
    ["empty", () => truncateSync(file, 0)],
    ["a bit", () => writeFileSync(file, whole.with(40, (whole[40] ?? 0) ^ 1))],
    ["of another size", () => writeFileSync(file, whole.with(8, (whole[8] ?? 0) ^ 1))],
  ];
  for (const [row, damage] of damages) {
    damage();
    t.equal(await hashes.known(blob), undefined, row);
    t.same(new Uint8Array(await hashes.make(blob, { signal })), list, row);
  }
  t.equal(await hashes.sweep(async () => true), 0);
  t.equal(await hashes.sweep(async () => false), 1);
  t.same(readdirSync(dir), []);
});

t.test("messages come through as they are; others are refused", (t) => {
  const pieces = {
    call: "pieces",
    blob: DIGEST,
    sizeBytes: 9,
    offered: [0],
    count: 1,
    again: false,
  };
  t.same(decodeRequest(encodeRequest(pieces as Request)), pieces);
  const head = { reply: "state", sizeBytes: 9, have: Uint8Array.of(1, 255) } as const;
  t.same(decodeHead(encodeHead(head)), { ...head, have: Buffer.of(1, 255) });
  t.same(decodeHead(encodeHead({ ...head, have: "whole" })), { ...head, have: "whole" });
  const requests: [string, object][] = [
    ["a path", { ...pieces, blob: "../../etc/passwd" }],
    ["a prefix", { ...pieces, blob: `sha256:${DIGEST}` }],
    ["upper case", { ...pieces, blob: "A".repeat(64) }],
    ["a size below zero", { ...pieces, sizeBytes: -1 }],
    ["no whole number", { ...pieces, sizeBytes: 0.5 }],
    ["an endless blob", { ...pieces, sizeBytes: 2 ** 50 }],
    ["no pieces", { ...pieces, offered: [] }],
    ["too many pieces", { ...pieces, offered: Array(65).fill(0) }],
    ["too many at once", { ...pieces, count: 9 }],
    ["a piece below zero", { ...pieces, offered: [-1] }],
    ["another call", { ...pieces, call: "remove" }],
    ["nothing", {}],
  ];
  for (const [row, request] of requests) {
    const bytes = Buffer.from(JSON.stringify(request));
    t.throws(() => decodeRequest(bytes), { code: "PEER_LIED" }, row);
  }
  t.throws(() => decodeRequest(Buffer.alloc(2 ** 21)), { code: "PEER_LIED" });
  t.end();
});
