import { type BlobDigest, manifestDigestOf } from "../core/digest.ts";
import { formatManifest } from "../core/manifest.ts";
import type { ModelRecord } from "../core/model.ts";
import { type ModelName, parseModelName } from "../core/model-name.ts";
import type { Waiting } from "../core/ports.ts";
import { BlobError, GgufError } from "./errors.ts";
import type { GgufFacts } from "./gguf-facts.ts";
import { openGgufSource } from "./gguf-source.ts";
import { formatModelConfig } from "./model-config.ts";
import type { ModelStore } from "./model-store.ts";
import { storeSource } from "./store-source.ts";

export interface GgufImport {
  readonly file: string;
  /** As a user writes it: the defaults are added. */
  readonly name: string;
}

export interface ImportWaiting extends Waiting {
  /** Begins again from 0 in the one case where a blob of the same size turned out to be another one. */
  readonly onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
}

/**
 * Puts a GGUF file, or all parts of a split one, into the store under a name. Everything that can be known beforehand is checked first; the manifest is
 * written last. Whatever stops it leaves no manifest and no half-written file. A file that is here already is not copied.
 */
export async function importGguf(
  store: ModelStore,
  { file, name: nameText }: GgufImport,
  o: ImportWaiting,
): Promise<ModelRecord> {
  const name = parseModelName(nameText);
  if (!name) {
    throw new BlobError(
      "INVALID_MODEL_NAME",
      `invalid model name ${JSON.stringify(nameText.slice(0, 200))}: use [host/][namespace/]model[:tag] with letters, digits, "_", "-" and "."`,
    );
  }
  const source = await openGgufSource(file, o);
  checkFacts(file, source.facts);
  const { sizeBytes, facts } = source;
  await using storing = storeSource(store, source, "The import", o);
  let step = await storing.next();
  for (; !step.done; step = await storing.next()) o.onProgress?.(step.value, sizeBytes);
  return await finish(store, name, facts, { digest: step.value.digest, sizeBytes }, o);
}

function checkFacts(file: string, { architecture, parameterCount }: GgufFacts): void {
  if (architecture === "") throw unusable(file, "it names no architecture");
  if (parameterCount === 0) throw unusable(file, "it has no weights");
}

function unusable(file: string, reason: string): GgufError {
  return new GgufError("MALFORMED", `${file} is no usable GGUF file: ${reason}.`, {
    details: { file },
  });
}

async function finish(
  store: ModelStore,
  name: ModelName,
  facts: GgufFacts,
  model: { readonly digest: BlobDigest; readonly sizeBytes: number },
  o: Waiting,
): Promise<ModelRecord> {
  const config = formatModelConfig(facts, model.digest);
  await using partial = await store.create(o);
  await partial.write(config, o);
  const configDigest = await partial.commit(o);
  const manifest = formatManifest({
    config: { digest: configDigest, sizeBytes: config.length },
    layers: [{ kind: "model", ...model }],
  });
  await store.rescan();
  if (store.find(name)?.manifest !== manifestDigestOf(manifest)) await store.put(name, manifest, o);
  const record = store.find(name);
  if (record?.manifest === manifestDigestOf(manifest)) return record;
  throw new BlobError(
    "BLOB_CHANGED",
    `The model was imported, but another program changed it in ${store.layout.dir} at once: import it again.`,
  );
}
