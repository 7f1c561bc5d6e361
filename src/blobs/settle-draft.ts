import type { BlobDigest } from "../core/digest.ts";
import type { Progress } from "../core/management.ts";
import type { Layer } from "../core/manifest.ts";
import type { Waiting } from "../core/ports.ts";
import { type Draft, NO_DIGEST, type UnmadeLayer } from "./make-model.ts";
import type { ModelStore } from "./model-store.ts";
import { storeSource } from "./store-source.ts";

const TOLD_EACH_BYTES = 64 * 1024 ** 2;

/** The draft with a blob for each of its layers, made of the files that came; its lines are told meanwhile. */
export async function* settleDraft(
  store: ModelStore,
  draft: Draft,
  onBlob: (digest: BlobDigest, isNew: boolean) => void,
  o: Waiting,
): AsyncGenerator<Progress, Draft> {
  let settled = draft;
  for (const unmade of draft.unmade) settled = yield* withLayer(store, settled, unmade, onBlob, o);
  return { ...settled, unmade: [] };
}

async function* withLayer(
  store: ModelStore,
  draft: Draft,
  { standIn, status, source }: UnmadeLayer,
  onBlob: (digest: BlobDigest, isNew: boolean) => void,
  o: Waiting,
): AsyncGenerator<Progress, Draft> {
  const { sizeBytes } = source;
  // Whoever leaves in the middle ends it too, and what was written goes.
  await using storing = storeSource(store, source, "The model", o);
  // Nothing is told before it has begun: what fails until then still has a status of its own.
  let step = await storing.next();
  yield* draft.lines;
  for (let toldBytes = 0; !step.done; step = await storing.next()) {
    if (step.value > 0 && step.value - toldBytes < TOLD_EACH_BYTES) continue;
    toldBytes = step.value;
    yield { status, digest: NO_DIGEST, total: sizeBytes, completed: toldBytes };
  }
  const { digest, isNew } = step.value;
  onBlob(digest, isNew);
  const layer = { kind: standIn.kind, digest, sizeBytes };
  return {
    ...draft,
    layers: draft.layers.map((old) => (isSame(old, standIn) ? layer : old)),
    ...(standIn.kind === draft.model.layer.kind && { model: { ...draft.model, layer } }),
    newBlobs: isNew ? [...draft.newBlobs, digest] : draft.newBlobs,
    lines: [],
  };
}

function isSame(a: Layer, b: Layer): boolean {
  return a.kind === b.kind && a.digest === b.digest;
}
