import { type BlobDigest, formatDigest, parseBlobDigest } from "../core/digest.ts";
import { ManagementError } from "../core/management.ts";
import type { Layer } from "../core/manifest.ts";
import type { Waiting } from "../core/ports.ts";
import { GgufError } from "./errors.ts";
import { type Gguf, readGguf } from "./gguf.ts";
import { type GgufFacts, ggufFacts } from "./gguf-facts.ts";
import type { GgufSplit } from "./gguf-merge.ts";
import { blobPath } from "./layout.ts";
import type { ModelStore } from "./model-store.ts";

/** A GGUF file that a model is made of: what it is for, and what is in it. */
export interface GgufPart {
  readonly layer: Layer;
  readonly facts: GgufFacts;
  /** Of the part of a split model. */
  readonly split?: GgufSplit;
}

/** Reads a file that a client has sent as a blob; its name only says what its sender thinks it is. */
export async function readPart(
  store: ModelStore,
  [fileName, digestText]: readonly [string, string],
  o: Waiting,
): Promise<GgufPart> {
  const { digest, sizeBytes } = await sentBlob(store, [fileName, digestText]);
  const gguf = await readHead(store, digest, fileName, o);
  const facts = ggufFacts(gguf);
  if (facts.splitCount > 1) {
    const split = { file: blobPath(store.layout, digest), gguf };
    return { layer: { kind: "model", digest, sizeBytes }, facts, split };
  }
  return { layer: { kind: kindOf(gguf, facts), digest, sizeBytes }, facts };
}

/** The blob of a file, which must be in the store. */
export async function sentBlob(
  store: ModelStore,
  [fileName, digestText]: readonly [string, string],
): Promise<{ readonly digest: BlobDigest; readonly sizeBytes: number }> {
  if (!isRelativePath(fileName)) throw invalid("file path must be relative");
  const digest = digestText.includes("sha256") ? parseBlobDigest(digestText) : undefined;
  if (!digest) throw invalid("invalid digest format");
  const found = await store.stat(digest);
  if (found) return { digest, sizeBytes: found.sizeBytes };
  const message = `blob "${formatDigest(digest)}" not found`;
  throw new ManagementError("BLOB_NOT_FOUND", message);
}

async function readHead(
  store: ModelStore,
  digest: BlobDigest,
  fileName: string,
  o: Waiting,
): Promise<Gguf> {
  try {
    return await readGguf(blobPath(store.layout, digest), { verbose: false }, o);
  } catch (error) {
    if (!(error instanceof GgufError)) throw error;
    if (error.code === "NOT_GGUF") throw invalid("supplied file was not in GGUF format");
    // The text of the error itself names a path of this machine.
    throw new ManagementError(error.code, `${fileName} is no usable GGUF file (${error.code})`);
  }
}

/** As convert_hf_to_gguf.py and convert_lora_to_gguf.py write it. */
function kindOf({ metadata }: Gguf, { architecture, parameterCount }: GgufFacts): string {
  const type = metadata.get("general.type");
  if (type === "adapter") return "adapter";
  if (type === "mmproj" || architecture === "clip") return "projector";
  if (architecture === "" || parameterCount === 0) throw invalid("unknown type");
  return "model";
}

/** Go's fs.ValidPath, and nothing that another system takes for a separator. */
function isRelativePath(name: string): boolean {
  if (name === "" || name.includes("\\") || name.includes("\0")) return false;
  return name.split("/").every((part) => part !== "" && part !== "." && part !== "..");
}

export function invalid(message: string): ManagementError {
  return new ManagementError("INVALID_REQUEST", message);
}
