import type { ManifestShelf } from "../core/distribution.ts";
import { ManagementError, type Progress } from "../core/management.ts";
import { type Layer, parseManifest } from "../core/manifest.ts";
import { formatShortName, type ModelName } from "../core/model-name.ts";
import type { BlobStore, Waiting } from "../core/ports.ts";
import { followProgress } from "./follow-progress.ts";
import type { Outgoing } from "./http.ts";
import { layerLine } from "./layer-line.ts";
import type { Repository } from "./repository.ts";
import { whileMoving } from "./stall-guard.ts";
import { type TryDeps, withTries } from "./tries.ts";
import { Upload } from "./upload.ts";

export interface PushDeps extends TryDeps {
  readonly shelf: Pick<ManifestShelf, "manifestOf">;
  readonly blobs: Pick<BlobStore, "stat" | "read">;
}

/** Ollama's server/images.go, PushModel: what the registry does not have, the config last, and then the manifest. */
export async function* push(
  repository: Repository,
  name: ModelName,
  deps: PushDeps,
  o: Waiting,
): AsyncIterable<Progress> {
  yield { status: "retrieving manifest" };
  const bytes = await deps.shelf.manifestOf(name, o);
  if (!bytes) {
    yield { status: "couldn't retrieve manifest" };
    throw new ManagementError("MODEL_NOT_FOUND", `model '${formatShortName(name)}' not found`);
  }
  const manifest = parseManifest(bytes);
  for (const layer of [...manifest.layers, manifest.config]) {
    yield* pushLayer(repository, layer, deps, o);
  }
  yield { status: "pushing manifest" };
  await pushManifest(repository, name, { mediaType: manifest.mediaType, bytes }, deps, o);
  yield { status: "success", digest: `sha256:${manifest.digest}` };
}

async function* pushLayer(
  repository: Repository,
  layer: Layer,
  deps: PushDeps,
  { signal }: Waiting,
): AsyncIterable<Progress> {
  const look = (o: Waiting): Promise<boolean> => repository.hasBlob(layer.digest, o);
  if (!(await whileMoving(deps.clock, { signal }, look))) {
    const left = new AbortController();
    const upload = new Upload(repository, layer, deps);
    const ended = upload.run({ signal: AbortSignal.any([signal, left.signal]) });
    const work = { ended, completedBytes: () => upload.sentBytes };
    try {
      for await (const bytes of followProgress(work, deps.clock, { signal })) {
        if (bytes < layer.sizeBytes) yield layerLine("pushing", layer, bytes);
      }
    } finally {
      left.abort();
      await Promise.allSettled([ended]);
    }
  }
  yield layerLine("pushing", layer, layer.sizeBytes);
}

async function pushManifest(
  repository: Repository,
  { tag }: ModelName,
  { mediaType, bytes }: { readonly mediaType: string; readonly bytes: Uint8Array },
  deps: PushDeps,
  { signal }: Waiting,
): Promise<void> {
  const outgoing: Outgoing = {
    method: "PUT",
    url: repository.manifestUrl(tag),
    headers: { "Content-Type": mediaType },
    body: {
      sizeBytes: bytes.length,
      async *open() {
        yield bytes;
      },
    },
  };
  const put = async (o: Waiting): Promise<void> => {
    using _reply = await repository.accepted(outgoing, o);
  };
  await withTries(() => whileMoving(deps.clock, { signal }, put), deps, { signal });
}
