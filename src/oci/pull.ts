import { formatDigest } from "../core/digest.ts";
import type { ManifestShelf } from "../core/distribution.ts";
import type { Progress } from "../core/management.ts";
import {
  type Layer,
  MANIFEST_BYTES_MAX,
  MANIFEST_TYPES,
  type Manifest,
  parseManifest,
} from "../core/manifest.ts";
import type { ModelName } from "../core/model-name.ts";
import type { Waiting } from "../core/ports.ts";
import { Downloads, type DownloadsDeps } from "./downloads.ts";
import { during, invalid } from "./errors.ts";
import { readAtMost } from "./http.ts";
import { layerLine } from "./layer-line.ts";
import type { Repository } from "./repository.ts";
import { whileMoving } from "./stall-guard.ts";

export interface PullDeps extends DownloadsDeps {
  readonly shelf: Pick<ManifestShelf, "install" | "reserve">;
}

/** Ollama's server/images.go, PullModel: each of the layers, the config last, and then the name. */
export class Pulls {
  readonly #deps: PullDeps;
  readonly #downloads: Downloads;

  constructor(deps: PullDeps) {
    this.#deps = deps;
    this.#downloads = new Downloads(deps);
  }

  async *pull(repository: Repository, name: ModelName, o: Waiting): AsyncIterable<Progress> {
    const { shelf } = this.#deps;
    yield { status: "pulling manifest" };
    const { manifest, bytes } = await this.#manifest(repository, name, o);
    const layers = [...manifest.layers, manifest.config];
    using _reserved = shelf.reserve(layers.map(({ digest }) => digest));
    for (const layer of layers) yield* this.#layer(repository, layer, o);
    yield { status: "verifying sha256 digest" };
    yield { status: "writing manifest" };
    const { digest, removed } = await shelf.install(name, bytes, o);
    if (removed > 0) yield { status: "removing unused layers" };
    yield { status: "success", digest: formatDigest(digest) };
  }

  async #manifest(
    repository: Repository,
    { tag }: ModelName,
    { signal }: Waiting,
  ): Promise<{ readonly manifest: Manifest; readonly bytes: Uint8Array }> {
    const url = repository.manifestUrl(tag);
    const headers = { Accept: MANIFEST_TYPES.join(", "), "Accept-Encoding": "identity" };
    try {
      return await whileMoving(this.#deps.clock, { signal }, async (o) => {
        using reply = await repository.session.request({ method: "GET", url, headers }, o);
        if (reply.status !== 200) throw await repository.refusal(reply);
        const { bytes, isWhole } = await readAtMost(reply, MANIFEST_BYTES_MAX);
        if (!isWhole) throw invalid(`it is larger than ${MANIFEST_BYTES_MAX} bytes`);
        const manifest = parseManifest(bytes);
        expectGguf(manifest);
        return { manifest, bytes };
      });
    } catch (error) {
      throw during("pull model manifest", error);
    }
  }

  async *#layer(repository: Repository, layer: Layer, o: Waiting): AsyncIterable<Progress> {
    const { digest, sizeBytes } = layer;
    const found = await this.#deps.blobs.stat(digest);
    if (found?.sizeBytes !== sizeBytes) {
      let toldBytes = -1;
      for await (const bytes of this.#downloads.fetch(repository, { digest, sizeBytes }, o)) {
        yield layerLine("pulling", layer, bytes);
        toldBytes = bytes;
      }
      if (toldBytes === sizeBytes) return;
    }
    yield layerLine("pulling", layer, sizeBytes);
  }
}

/** Before anything is fetched: others may take hours, and nobody could serve them. */
function expectGguf({ layers }: Manifest): void {
  if (layers.some(({ kind }) => kind === "model")) return;
  throw layers.some(({ kind }) => kind === "tensor")
    ? invalid("it is made of safetensors, which cannot be run here: pull a GGUF version of it")
    : invalid("it has no GGUF file: only GGUF models can be served");
}
