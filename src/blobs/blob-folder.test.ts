import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import fc from "fast-check";
import t, { type Test } from "tap";
import { tempFolder } from "../../test/fixtures/temp-folder.ts";
import { type BlobDigest, parseBlobDigest } from "../core/digest.ts";
import { BlobFolder, removeAbandoned } from "./blob-folder.ts";
import { blobPath, layoutOf, partialName, pieceFiles } from "./layout.ts";

const { signal } = new AbortController();

function folder(t: Test) {
  const layout = layoutOf(tempFolder(t, { blobs: {}, manifests: {} }));
  return { layout, blobs: new BlobFolder(layout) };
}

function digestOf(bytes: Uint8Array): BlobDigest {
  const digest = parseBlobDigest(createHash("sha256").update(bytes).digest("hex"));
  if (!digest) throw new Error("fixture");
  return digest;
}

async function write(blobs: BlobFolder, bytes: Uint8Array, expected?: BlobDigest) {
  await using partial = await blobs.create({ signal, ...(expected && { expected }) });
  await partial.write(bytes.subarray(0, 3), { signal });
  await partial.write(bytes.subarray(3), { signal });
  return await partial.commit({ signal });
}

t.test("what is written is read back, in any range", async (t) => {
  const { layout, blobs } = folder(t);
  const bytes = Buffer.from(Array.from({ length: 2_500_000 }, (_, i) => i % 251));
  const digest = await write(blobs, bytes);
  t.equal(digest, digestOf(bytes));
  t.same(readdirSync(layout.blobsDir), [`sha256-${digest}`]);
  t.same(await blobs.stat(digest), { sizeBytes: bytes.length });
  await fc.assert(
    fc.asyncProperty(fc.nat(bytes.length), fc.nat(bytes.length), async (a, b) => {
      const [start, end] = [Math.min(a, b), Math.max(a, b)];
      const chunks = await Array.fromAsync(blobs.read(digest, { start, end }, { signal }));
      if (!Buffer.concat(chunks).equals(bytes.subarray(start, end))) throw new Error("differs");
    }),
    { numRuns: 30 },
  );
});

t.test("ranges and digests that are not there", async (t) => {
  const { blobs } = folder(t);
  const digest = await write(blobs, Buffer.from("hello"));
  for (const [start, end] of [
    [-1, 3],
    [3, 2],
    [0, 6],
    [0.5, 2],
    [0, Number.NaN],
  ] as const) {
    const reading = Array.fromAsync(blobs.read(digest, { start, end }, { signal }));
    await t.rejects(reading, { code: "RANGE_INVALID" }, `${start} to ${end}`);
  }
  const missing = digestOf(Buffer.from("other"));
  t.equal(await blobs.stat(missing), undefined);
  const reading = Array.fromAsync(blobs.read(missing, { start: 0, end: 0 }, { signal }));
  await t.rejects(reading, { code: "BLOB_NOT_FOUND" });
});

t.test("nobody sees a blob before its commit, and nothing is left without one", async (t) => {
  const { layout, blobs } = folder(t);
  const bytes = Buffer.from("some bytes");
  {
    await using partial = await blobs.create({ signal });
    await partial.write(bytes, { signal });
    t.equal(await blobs.stat(digestOf(bytes)), undefined);
  }
  t.same(readdirSync(layout.blobsDir), []);
});

t.test("a digest that is not the expected one", async (t) => {
  const { layout, blobs } = folder(t);
  const expected = digestOf(Buffer.from("good"));
  await t.rejects(write(blobs, Buffer.from("evil"), expected), { code: "DIGEST_MISMATCH" });
  t.same(readdirSync(layout.blobsDir), []);
  t.equal(await write(blobs, Buffer.from("good"), expected), expected);
});

t.test("a blob that is there stays as it is; a cut off one is mended", async (t) => {
  const { layout, blobs } = folder(t);
  const bytes = Buffer.from("some bytes");
  const file = blobPath(layout, await write(blobs, bytes));
  utimesSync(file, 1, 1);
  await write(blobs, bytes);
  t.equal(statSync(file).mtimeMs, 1_000);
  writeFileSync(file, "some");
  await write(blobs, bytes);
  t.same(readFileSync(file), bytes);
});

t.test("an abort stops writing and reading", async (t) => {
  const { layout, blobs } = folder(t);
  const digest = await write(blobs, Buffer.alloc(3_000_000));
  const controller = new AbortController();
  const o = { signal: controller.signal };
  await t.rejects(
    async () => {
      for await (const _ of blobs.read(digest, { start: 0, end: 3_000_000 }, o)) controller.abort();
    },
    { name: "AbortError" },
  );
  {
    await using partial = await blobs.create({ signal });
    await t.rejects(partial.write(Buffer.from("x"), o), { name: "AbortError" });
    await t.rejects(partial.commit(o), { name: "AbortError" });
  }
  t.equal(readdirSync(layout.blobsDir).length, 1);
});

t.test("only what killed imports of ours left long ago goes", async (t) => {
  const { layout } = folder(t);
  const wallMs = Date.UTC(2026, 5, 1);
  const place = (dir: string, name: string, ageMinutes: number): string => {
    const file = path.join(dir, name);
    mkdirSync(dir, { recursive: true });
    writeFileSync(file, "x");
    const seconds = wallMs / 1_000 - ageMinutes * 60;
    utimesSync(file, seconds, seconds);
    return file;
  };
  const old = place(layout.blobsDir, partialName("1".repeat(32)), 61);
  const oldManifest = place(layout.manifestsDir, partialName("2".repeat(32)), 600);
  const pieces = pieceFiles(layout, digestOf(Buffer.from("old")));
  const oldPieces = [pieces.data, pieces.record, pieces.lock].map((file) =>
    place(layout.blobsDir, path.basename(file), 7 * 24 * 60 + 1),
  );
  const newPieces = pieceFiles(layout, digestOf(Buffer.from("new")));
  const kept = [
    place(layout.blobsDir, path.basename(newPieces.data), 6 * 24 * 60),
    place(layout.blobsDir, path.basename(newPieces.record), 6 * 24 * 60),
    place(layout.blobsDir, partialName("3".repeat(32)), 59),
    place(layout.blobsDir, `sha256-${"a".repeat(64)}-partial`, 6_000),
    place(layout.blobsDir, `sha256-${"a".repeat(64)}`, 6_000),
    place(layout.blobsDir, "ollamamax-notes.partial", 6_000),
  ];
  t.equal(await removeAbandoned(layout, wallMs), 5);
  for (const file of [old, oldManifest, ...oldPieces]) t.notOk(existsSync(file), file);
  for (const file of kept) t.ok(existsSync(file), file);
});
