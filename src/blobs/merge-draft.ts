import type { BlobDigest } from "../core/digest.ts";
import type { Progress } from "../core/management.ts";
import type { Waiting } from "../core/ports.ts";
import { MergedSource } from "./gguf-source.ts";
import { type Draft, NO_DIGEST } from "./make-model.ts";
import type { ModelStore } from "./model-store.ts";
import { storeSource } from "./store-source.ts";

const TOLD_EACH_BYTES = 64 * 1024 ** 2;

/** The draft with the parts of its split model made into one blob; its lines are told meanwhile. */
export async function* mergeDraft(
  store: ModelStore,
  draft: Draft,
  onBlob: (digest: BlobDigest, isNew: boolean) => void,
  o: Waiting,
): AsyncGenerator<Progress, Draft> {
  const { merged, model, layers, lines, ...rest } = draft;
  if (!merged) return draft;
  const source = new MergedSource(merged);
  const { sizeBytes } = source;
  // Whoever leaves in the middle ends it too, and what was written goes.
  await using storing = storeSource(store, source, "The model", o);
  // Nothing is told before it has begun: what fails until then still has a status of its own.
  let step = await storing.next();
  yield* lines;
  for (let toldBytes = 0; !step.done; step = await storing.next()) {
    if (step.value > 0 && step.value - toldBytes < TOLD_EACH_BYTES) continue;
    toldBytes = step.value;
    const status = "merging GGUF parts";
    yield { status, digest: NO_DIGEST, total: sizeBytes, completed: toldBytes };
  }
  const { digest, isNew } = step.value;
  onBlob(digest, isNew);
  const layer = { kind: model.layer.kind, digest, sizeBytes };
  return {
    ...rest,
    layers: layers.map((old) => (old.digest === model.layer.digest ? layer : old)),
    model: { ...model, layer },
    ...(isNew && { newBlob: digest }),
    lines: [],
  };
}
