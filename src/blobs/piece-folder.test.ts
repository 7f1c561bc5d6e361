import { spawn, spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import path from "node:path";
import t, { type Test } from "tap";
import { fill, NO_MOUNT, smallDisk } from "../../test/fixtures/small-disk.ts";
import { tempFolder } from "../../test/fixtures/temp-folder.ts";
import { until } from "../../test/fixtures/until.ts";
import { systemClock } from "../core/clock.ts";
import { parseBlobDigest } from "../core/digest.ts";
import { type BlobId, type BlobPieces, PIECE_BYTES, pieceRange } from "../core/pieces.ts";
import { blobPath, layoutOf, pieceFiles } from "./layout.ts";
import { PieceFolder } from "./piece-folder.ts";
import { recordEntries, recordHead } from "./piece-record.ts";

const { signal } = new AbortController();
const o = { signal };

function folder(t: Test) {
  const layout = layoutOf(tempFolder(t, { blobs: {}, manifests: {} }));
  return { layout, pieces: new PieceFolder(layout, { clock: systemClock }) };
}

function idOf(bytes: Uint8Array): BlobId {
  const digest = parseBlobDigest(createHash("sha256").update(bytes).digest("hex"));
  if (!digest) throw new Error("fixture");
  return { digest, sizeBytes: bytes.length };
}

/** Two whole pieces and some bytes. */
const BYTES = randomBytes(2 * PIECE_BYTES + 1_000);
const BLOB = idOf(BYTES);

function pieceOf(bytes: Uint8Array, piece: number): Uint8Array {
  const { start, end } = pieceRange({ sizeBytes: bytes.length }, piece);
  return bytes.subarray(start, end);
}

function put(blob: BlobPieces, piece: number, bytes: Uint8Array = BYTES): Promise<void> {
  return blob.write(piece, pieceOf(bytes, piece), o);
}

t.test("pieces come in any order, can be read at once, and become the blob", async (t) => {
  const { layout, pieces } = folder(t);
  await using blob = await pieces.openPieces(BLOB, o);
  t.equal(pieces.piecesOf(BLOB.digest), blob);
  t.equal(blob.count, 3);
  await put(blob, 2);
  t.same([blob.has(0), blob.has(2), blob.doneBytes], [false, true, 1_000]);
  t.same(await blob.read(2, o), pieceOf(BYTES, 2));
  const part = { start: 10, end: 1_000 };
  t.same(await blob.read(2, { ...o, part }), pieceOf(BYTES, 2).subarray(10));
  for (const [start, end] of [
    [-1, 5],
    [5, 4],
    [0, 1_001],
    [Number.NaN, 5],
  ] as const) {
    const reading = blob.read(2, { ...o, part: { start, end } });
    await t.rejects(reading, { code: "RANGE_INVALID" }, `${start} to ${end}`);
  }
  await t.rejects(blob.read(0, o), { code: "RANGE_INVALID" });
  await t.rejects(blob.commit(o), /missing/);
  await Promise.all([put(blob, 1), put(blob, 0)]);
  t.equal(blob.doneBytes, BLOB.sizeBytes);
  await blob.commit(o);
  t.same(readdirSync(layout.blobsDir), [`sha256-${BLOB.digest}`]);
  t.ok(readFileSync(blobPath(layout, BLOB.digest)).equals(BYTES));
  t.equal(pieces.piecesOf(BLOB.digest), undefined);
  await t.rejects(blob.read(0, o), { code: "BLOB_NOT_FOUND" });
});

t.test("blobs of a few bytes", async (t) => {
  const { layout, pieces } = folder(t);
  for (const bytes of [Buffer.alloc(0), Buffer.from("{}"), randomBytes(PIECE_BYTES)]) {
    await using blob = await pieces.openPieces(idOf(bytes), o);
    if (bytes.length > 0) await put(blob, 0, bytes);
    await blob.commit(o);
    t.ok(readFileSync(blobPath(layout, blob.blob.digest)).equals(bytes), `${bytes.length} bytes`);
  }
});

t.test("what does not fit is refused, and changes nothing", async (t) => {
  const { pieces } = folder(t);
  await using blob = await pieces.openPieces(BLOB, o);
  const whole = Buffer.alloc(PIECE_BYTES);
  for (const [piece, bytes] of [
    [-1, whole],
    [3, whole],
    [0.5, whole],
    [0, whole.subarray(1)],
    [2, whole],
  ] as const) {
    const row = `${bytes.length} bytes as piece ${piece}`;
    await t.rejects(blob.write(piece, bytes, o), { code: "RANGE_INVALID" }, row);
  }
  await put(blob, 0);
  await t.rejects(put(blob, 0), /twice/);
  await t.rejects(blob.write(1, whole, { signal: AbortSignal.abort() }), { name: "AbortError" });
  t.equal(blob.doneBytes, PIECE_BYTES);
  for (const sizeBytes of [-1, 0.5, Number.NaN, 2 ** 50]) {
    const opening = pieces.openPieces({ ...BLOB, sizeBytes }, o);
    await t.rejects(opening, { code: "RANGE_INVALID" }, `${sizeBytes}`);
  }
});

t.test("another digest than promised: everything goes", async (t) => {
  const { layout, pieces } = folder(t);
  const wrong = Buffer.from(BYTES);
  wrong[PIECE_BYTES] = (wrong[PIECE_BYTES] ?? 0) ^ 1;
  await using blob = await pieces.openPieces(BLOB, o);
  for (const piece of [0, 1, 2]) await put(blob, piece, wrong);
  await t.rejects(blob.commit(o), { code: "DIGEST_MISMATCH" });
  t.same(readdirSync(layout.blobsDir), []);
});

t.test("a damaged blob that lies there already is replaced", async (t) => {
  const { layout, pieces } = folder(t);
  writeFileSync(blobPath(layout, BLOB.digest), Buffer.alloc(BYTES.length));
  await using blob = await pieces.openPieces(BLOB, o);
  for (const piece of [0, 1, 2]) await put(blob, piece);
  await blob.commit(o);
  t.ok(readFileSync(blobPath(layout, BLOB.digest)).equals(BYTES));
});

t.test("what was closed goes on; what was discarded begins again", async (t) => {
  const { layout, pieces } = folder(t);
  {
    await using blob = await pieces.openPieces(BLOB, o);
    await t.rejects(pieces.openPieces(BLOB, o), { code: "BLOB_BUSY" });
    await Promise.all([put(blob, 0), put(blob, 2)]);
  }
  {
    await using blob = await pieces.openPieces(BLOB, o);
    t.same(
      [0, 1, 2].map((piece) => blob.has(piece)),
      [true, false, true],
    );
    t.same(await blob.read(0, o), pieceOf(BYTES, 0));
    await blob.discard();
    t.same(readdirSync(layout.blobsDir), []);
  }
  await using blob = await pieces.openPieces(BLOB, o);
  t.equal(blob.doneBytes, 0);
});

t.test("nothing came: nothing stays", async (t) => {
  const { layout, pieces } = folder(t);
  await (await pieces.openPieces(BLOB, o))[Symbol.asyncDispose]();
  t.same(readdirSync(layout.blobsDir), []);
});

t.test("what an earlier run left is believed only as far as it holds", async (t) => {
  const entries = recordEntries([0, 2]);
  const flipped = Buffer.from(entries);
  flipped[8] = 1;
  const rows: [string, Uint8Array, number[]][] = [
    ["whole", Buffer.concat([recordHead(BLOB), entries]), [0, 2]],
    ["an entry cut off", Buffer.concat([recordHead(BLOB), entries.subarray(0, 13)]), [0]],
    ["a wrong entry", Buffer.concat([recordHead(BLOB), flipped]), [0]],
    ["a piece too high", Buffer.concat([recordHead(BLOB), recordEntries([3, 0])]), []],
    ["zeros behind", Buffer.concat([recordHead(BLOB), entries, Buffer.alloc(8)]), [0, 2]],
    ["of another size", Buffer.concat([recordHead({ ...BLOB, sizeBytes: 9e6 }), entries]), []],
    ["a head cut off", recordHead(BLOB).subarray(0, 20), []],
    ["empty", Buffer.alloc(0), []],
    ["garbage", randomBytes(64), []],
    ["endless", Buffer.concat([recordHead(BLOB), recordEntries(Array(1_000).fill(0))]), []],
  ];
  for (const [row, record, expected] of rows) {
    const { layout, pieces } = folder(t);
    const files = pieceFiles(layout, BLOB.digest);
    writeFileSync(files.data, BYTES);
    writeFileSync(files.record, record);
    await using blob = await pieces.openPieces(BLOB, o);
    t.same(
      [0, 1, 2].filter((piece) => blob.has(piece)),
      expected,
      row,
    );
    for (const piece of [0, 1, 2].filter((piece) => !blob.has(piece))) await put(blob, piece);
    await blob.commit(o);
    t.same(readdirSync(layout.blobsDir), [`sha256-${BLOB.digest}`], row);
  }
});

t.test("data of another size is not believed", async (t) => {
  const { layout, pieces } = folder(t);
  const files = pieceFiles(layout, BLOB.digest);
  writeFileSync(files.record, Buffer.concat([recordHead(BLOB), recordEntries([0])]));
  writeFileSync(files.data, BYTES);
  truncateSync(files.data, BYTES.length - 1);
  await using blob = await pieces.openPieces(BLOB, o);
  t.equal(blob.doneBytes, 0);
  t.equal(statSync(files.data).size, BLOB.sizeBytes);
});

t.test("a process that has gone holds nothing, one that runs does", async (t) => {
  const gone = spawnSync(process.execPath, ["--version"]).pid;
  const running = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
  t.teardown(() => running.kill("SIGKILL"));
  await once(running, "spawn");
  const stat = readFileSync(`/proc/${running.pid}/stat`, "utf8");
  const started = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  const later = { wallMs: () => systemClock.wallMs() + 10 * 60_000 };
  const rows: [string, string, { wallMs(): number }, boolean][] = [
    ["gone", `${gone} 1 ${hostname()}`, systemClock, false],
    ["ourselves, before", `${process.pid} 1 ${hostname()}`, systemClock, false],
    ["its number in other hands", `${running.pid} 1 ${hostname()}`, systemClock, false],
    ["running", `${running.pid} ${started} ${hostname()}`, systemClock, true],
    ["garbage", "x", systemClock, true],
    ["elsewhere, writing", "1 1 elsewhere", systemClock, true],
    ["elsewhere, silent", "1 1 elsewhere", later, false],
  ];
  for (const [row, lock, clock, isHeld] of rows) {
    const { layout } = folder(t);
    writeFileSync(pieceFiles(layout, BLOB.digest).lock, lock);
    writeFileSync(pieceFiles(layout, BLOB.digest).record, "");
    const opening = new PieceFolder(layout, { clock }).openPieces(BLOB, o);
    if (isHeld) await t.rejects(opening, { code: "BLOB_BUSY" }, row);
    else
      await t.resolves(
        opening.then((blob) => blob[Symbol.asyncDispose]()),
        row,
      );
  }
});

t.test("a disk that is too small is told at once", async (t) => {
  const dir = smallDisk(t, PIECE_BYTES);
  if (dir === undefined) return t.plan(0, NO_MOUNT);
  const layout = { ...layoutOf(dir), blobsDir: dir };
  const pieces = new PieceFolder(layout, { clock: systemClock });
  await t.rejects(pieces.openPieces(BLOB, o), {
    code: "DISK_FULL",
    message: /needs 24\.0 MiB, and .+ has 4\.0 MiB free: free some space/,
  });
  t.same(readdirSync(dir), []);
});

t.test(
  "a disk that fills up: what was written counts, and goes on when there is room",
  async (t) => {
    const dir = smallDisk(t, 40 * 1024 * 1024);
    if (dir === undefined) return t.plan(0, NO_MOUNT);
    const layout = { ...layoutOf(dir), blobsDir: dir };
    const pieces = new PieceFolder(layout, { clock: systemClock });
    {
      await using blob = await pieces.openPieces(BLOB, o);
      await put(blob, 1);
      fill(path.join(dir, "filler"), 60 * 1024 * 1024);
      await t.rejects(put(blob, 0), { code: "DISK_FULL", message: /ENOSPC/ });
      t.same([blob.has(0), blob.has(1)], [false, true]);
    }
    truncateSync(path.join(dir, "filler"), 0);
    await using blob = await pieces.openPieces(BLOB, o);
    t.notOk(blob.has(0));
    for (const piece of [0, 1, 2].filter((piece) => !blob.has(piece))) await put(blob, piece);
    await blob.commit(o);
    t.ok(readFileSync(blobPath(layout, BLOB.digest)).equals(BYTES));
  },
);

/** Writes all pieces but the last, and stays. */
const WRITER = `
  import { systemClock } from "./src/core/clock.ts";
  import { layoutOf } from "./src/blobs/layout.ts";
  import { PieceFolder } from "./src/blobs/piece-folder.ts";
  const [dir, digest, sizeBytes] = process.argv.slice(1);
  const pieces = new PieceFolder(layoutOf(dir), { clock: systemClock });
  const signal = new AbortController().signal;
  const blob = await pieces.openPieces({ digest, sizeBytes: Number(sizeBytes) }, { signal });
  const bytes = Buffer.alloc(${PIECE_BYTES}, 7);
  for (let piece = 0; piece < blob.count - 1; piece++) {
    await blob.write(piece, bytes, { signal });
  }
  setInterval(() => {}, 1_000);
`;

t.test("SIGKILL in the middle: the next run goes on with whole pieces", async (t) => {
  const { layout, pieces } = folder(t);
  const bytes = Buffer.alloc(24 * PIECE_BYTES, 7);
  const blob = idOf(bytes);
  const args = ["--input-type=module", "-e", WRITER, layout.dir, blob.digest];
  const child = spawn(process.execPath, [...args, String(blob.sizeBytes)], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  const { record, data } = pieceFiles(layout, blob.digest);
  const marked = recordHead(blob).length + recordEntries([1]).length;
  await until(() => existsSync(record) && statSync(record).size >= marked);
  child.kill("SIGKILL");
  const [, cause] = await once(child, "close");
  t.equal(cause, "SIGKILL");
  const written = readFileSync(data);
  await using again = await pieces.openPieces(blob, o);
  const there = Array.from({ length: again.count }, (_, piece) => piece).filter(again.has, again);
  t.ok(there.length > 0, `${there.length} pieces are kept`);
  for (const piece of there) {
    t.ok(
      pieceOf(written, piece).every((byte) => byte === 7),
      `piece ${piece} is whole`,
    );
  }
  for (let piece = 0; piece < again.count; piece++) {
    if (!again.has(piece)) await put(again, piece, bytes);
  }
  await again.commit(o);
  t.same(readdirSync(layout.blobsDir), [`sha256-${blob.digest}`]);
});
