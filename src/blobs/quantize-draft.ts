import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { type BlobDigest, parseBlobDigest } from "../core/digest.ts";
import { ManagementError, type Progress } from "../core/management.ts";
import type { Waiting } from "../core/ports.ts";
import type { QuantizeJob, Quantizer } from "../core/quantization.ts";
import { expectSpace, freeBytesOf } from "./disk-space.ts";
import { BlobError, GgufError, writeFailure } from "./errors.ts";
import { ForeignBlob } from "./foreign-blob.ts";
import { readGguf } from "./gguf.ts";
import { type GgufFacts, ggufFacts } from "./gguf-facts.ts";
import { blobPath, type Layout } from "./layout.ts";
import { type Draft, NO_DIGEST } from "./make-model.ts";
import type { ModelStore } from "./model-store.ts";
import { quantizedBytesMax } from "./quantization.ts";

interface Deps {
  readonly quantizer: Quantizer;
  /** Learns the digest of the new file just before it has its name. */
  readonly onBlob: (digest: BlobDigest, isNew: boolean) => void;
}

/** So much free room is none: the disk was filled up meanwhile. */
const FULL_BYTES = 1024 * 1024;
const READ_BYTES = 1024 ** 2;
const TOLD_EACH_BYTES = 1024 ** 3;

/** The draft with its weights turned into what it asks for, a blob of its own; its lines are told meanwhile. */
export async function* quantizeDraft(
  store: ModelStore,
  draft: Draft,
  deps: Deps,
  o: Waiting,
): AsyncGenerator<Progress, Draft> {
  const { quantization, model, layers, config } = draft;
  if (!quantization) return draft;
  await using blob = await ForeignBlob.open(store.layout);
  const job = {
    inputPath: blobPath(store.layout, model.layer.digest),
    outputPath: blob.path,
    quantization,
  };
  try {
    yield* quantized(store, draft, job, deps.quantizer, o);
    const facts = await factsOf(job, o);
    const { digest, sizeBytes } = yield* verified(blob.path, o);
    const isNew = (await store.stat(digest))?.sizeBytes !== sizeBytes;
    deps.onBlob(digest, isNew);
    if (isNew) await blob.place(digest);
    const layer = { kind: model.layer.kind, digest, sizeBytes };
    return {
      layers: layers.map((old) => (old.kind === layer.kind ? layer : old)),
      config: { ...config, file_type: facts.quantization },
      model: { layer, facts },
      unmade: [],
      newBlobs: isNew ? [...draft.newBlobs, digest] : draft.newBlobs,
      lines: [],
    };
  } catch (error) {
    throw await failureOf(error, store.layout);
  }
}

/** Nothing is told before it has begun: what fails until then still has a status of its own. */
async function* quantized(
  { layout }: ModelStore,
  { model, lines }: Draft,
  job: QuantizeJob,
  quantizer: Quantizer,
  o: Waiting,
): AsyncGenerator<Progress, void> {
  const status = `quantizing ${model.facts.quantization} model to ${job.quantization}`;
  const { sizeBytes: total } = model.layer;
  const neededBytes = quantizedBytesMax({ ...model, sizeBytes: total }, job.quantization);
  await expectSpace(layout.blobsDir, neededBytes, "The quantized model");
  let begun = false;
  for await (const values of quantizer.quantize(job, o)) {
    if (!begun) yield* lines;
    begun = true;
    const part = Math.min(1, values / model.facts.parameterCount);
    yield { status, digest: NO_DIGEST, total, completed: Math.floor(part * total) };
  }
}

/** Reads the new file once more: its digest, on a disk that has taken all of it. */
async function* verified(
  file: string,
  { signal }: Waiting,
): AsyncGenerator<Progress, { readonly digest: BlobDigest; readonly sizeBytes: number }> {
  const hash = createHash("sha256");
  const buffer = Buffer.allocUnsafe(READ_BYTES);
  await using handle = await open(file, "r+");
  for (let sizeBytes = 0; ; ) {
    signal.throwIfAborted();
    // Now and then, for whoever takes a long silence for the end.
    if (sizeBytes % TOLD_EACH_BYTES === 0) yield { status: "verifying conversion" };
    const { bytesRead } = await handle.read(buffer, 0, READ_BYTES, sizeBytes);
    if (bytesRead === 0) {
      await handle.sync();
      const digest = parseBlobDigest(hash.digest("hex"));
      if (!digest) throw new Error("SHA-256 gave no digest");
      return { digest, sizeBytes };
    }
    hash.update(buffer.subarray(0, bytesRead));
    sizeBytes += bytesRead;
  }
}

async function factsOf({ outputPath, quantization }: QuantizeJob, o: Waiting): Promise<GgufFacts> {
  try {
    const facts = ggufFacts(await readGguf(outputPath, { verbose: false }, o));
    if (facts.quantization === quantization) return facts;
  } catch (error) {
    if (!(error instanceof GgufError)) throw error;
  }
  throw new ManagementError(
    "QUANTIZATION_FAILED",
    `the quantizer has written no usable ${quantization} file`,
  );
}

/** llama.cpp says only that it could not write. */
async function failureOf(error: unknown, { dir, blobsDir }: Layout): Promise<unknown> {
  const failed = error instanceof ManagementError && error.code === "QUANTIZATION_FAILED";
  if (!failed || (await freeBytesOf(blobsDir)) >= FULL_BYTES) return writeFailure(error, dir);
  return new BlobError(
    "DISK_FULL",
    `No space is left in ${dir}: free some space there, or set OLLAMA_MODELS to a folder on a larger disk.`,
    { cause: error },
  );
}
