import { stat } from "node:fs/promises";
import type { BlobDigest } from "../core/digest.ts";
import { blobsOf, type Layer, type Manifest, totalBytes } from "../core/manifest.ts";
import type { ModelRecord } from "../core/model.ts";
import { formatFullName, type ModelName } from "../core/model-name.ts";
import type { Waiting } from "../core/ports.ts";
import { capabilitiesOf } from "./capabilities.ts";
import { BlobError, GgufError, systemCode } from "./errors.ts";
import { readGguf } from "./gguf.ts";
import { type GgufFacts, ggufFacts } from "./gguf-facts.ts";
import { humanNumber } from "./human-number.ts";
import { blobPath, type Layout } from "./layout.ts";
import { type ModelConfig, parseModelConfig } from "./model-config.ts";
import { readTextBlob } from "./model-layers.ts";

/** What is known of a model whose every blob is here and whose config and GGUF file can be read. */
export interface WholeModel {
  readonly record: ModelRecord;
  readonly config: ModelConfig;
  readonly facts: GgufFacts;
}

/** The layer of the one GGUF file; throws for models that are made otherwise. */
export function modelLayerOf(manifest: Manifest): Layer {
  const [model, ...others] = manifest.layers.filter(({ kind }) => kind === "model");
  if (!model) {
    throw new BlobError("MANIFEST_INVALID", "it has no GGUF layer: only GGUF models can be served");
  }
  if (others.length > 0) throw splitError();
  return model;
}

/** By digest, the version of each file that was found to hold other bytes than its digest says. */
export type DamagedBlobs = ReadonlyMap<BlobDigest, string>;

/** Another one means that the file was written, or is another file. */
export async function versionOf(path: string): Promise<string> {
  const { ino, size, mtimeNs } = await stat(path, { bigint: true });
  return `${ino} ${size} ${mtimeNs}`;
}

/** Throws at the first blob that is missing, has another size than the manifest says, or is known to be damaged. */
export async function checkBlobs(
  layout: Layout,
  manifest: Manifest,
  damaged: DamagedBlobs = new Map(),
): Promise<void> {
  for (const { kind, digest, sizeBytes } of blobsOf(manifest)) {
    const path = blobPath(layout, digest);
    const found = await sizeOf(path);
    if (found === sizeBytes) {
      const version = damaged.get(digest);
      if (version === undefined || version !== (await versionOf(path))) continue;
      throw new BlobError("BLOB_CHANGED", `the blob of its ${kind} is damaged: ${path}`);
    }
    throw new BlobError(
      "BLOB_NOT_FOUND",
      found === undefined
        ? `the blob of its ${kind} is missing: ${path}`
        : `the blob of its ${kind} has ${found} of ${sizeBytes} bytes: ${path}`,
    );
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    const stats = await stat(path);
    return stats.isFile() ? stats.size : undefined;
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

export async function readWholeModel(
  layout: Layout,
  {
    name,
    manifest,
    modifiedAtMs,
  }: { readonly name: ModelName; readonly manifest: Manifest; readonly modifiedAtMs: number },
  o: Waiting,
): Promise<WholeModel> {
  const model = modelLayerOf(manifest);
  const config = await readConfig(layout, manifest.config.digest, o);
  const facts = ggufFacts(await readGguf(blobPath(layout, model.digest), { verbose: false }, o));
  if (facts.splitCount > 1) throw splitError();
  const template = manifest.layers.findLast(({ kind }) => kind === "template" || kind === "prompt");
  const goTemplate = template && (await readTextBlob(layout, template, o));
  const capabilities = capabilitiesOf({
    gguf: facts,
    ...(goTemplate !== undefined && { goTemplate }),
    projectors: await Promise.all(
      manifest.layers
        .filter(({ kind }) => kind === "projector")
        .map(({ digest }) => projectorFacts(blobPath(layout, digest), o)),
    ),
    family: config.model_family,
    ...(config.renderer !== undefined && { renderer: config.renderer }),
    ...(config.parser !== undefined && { parser: config.parser }),
    declared: config.capabilities ?? [],
  });
  const record: ModelRecord = {
    name: formatFullName(name),
    manifest: manifest.digest,
    sizeBytes: totalBytes(manifest),
    modifiedAtMs,
    details: detailsOf(config, facts, model),
    capabilities,
  };
  return { record, config, facts };
}

/** A model whose projector is damaged still answers to texts. */
async function projectorFacts(path: string, o: Waiting): Promise<GgufFacts | undefined> {
  try {
    return ggufFacts(await readGguf(path, { verbose: false }, o));
  } catch (error) {
    if (error instanceof GgufError) return undefined;
    throw error;
  }
}

async function readConfig(layout: Layout, digest: BlobDigest, o: Waiting): Promise<ModelConfig> {
  const text = await readTextBlob(layout, { kind: "config", digest }, o);
  try {
    return parseModelConfig(JSON.parse(text));
  } catch (cause) {
    throw new BlobError("LAYER_INVALID", `its config is damaged: ${blobPath(layout, digest)}`, {
      cause,
    });
  }
}

function detailsOf(config: ModelConfig, facts: GgufFacts, model: Layer): ModelRecord["details"] {
  const contextLength = config.context_length ?? facts.contextLength;
  const embeddingLength = config.embedding_length ?? facts.embeddingLength;
  const known = config.file_type !== "" && config.file_type !== "unknown";
  return {
    parentModel: model.from ?? "",
    format: config.model_format || "gguf",
    family: config.model_family || facts.architecture,
    families: config.model_families ?? [],
    parameterSize: config.model_type || humanNumber(facts.parameterCount),
    quantizationLevel: known ? config.file_type : facts.quantization,
    ...(contextLength !== undefined && { contextLength }),
    ...(embeddingLength !== undefined && { embeddingLength }),
  };
}

function splitError(): GgufError {
  return new GgufError(
    "SPLIT_NOT_SUPPORTED",
    "its GGUF is split over several files: merge them with `llama-gguf-split --merge` and import the result",
  );
}
