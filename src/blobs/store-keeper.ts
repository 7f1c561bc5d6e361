import {
  type BlobDigest,
  type ManifestDigest,
  manifestDigestOf,
  parseBlobDigest,
} from "../core/digest.ts";
import type { ManifestShelf } from "../core/distribution.ts";
import { messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import {
  type CreateRequest,
  ManagementError,
  type ModelKeeper,
  type Progress,
} from "../core/management.ts";
import { blobsOf, type Manifest, parseManifest } from "../core/manifest.ts";
import { formatShortName, type ModelName } from "../core/model-name.ts";
import type { Waiting } from "../core/ports.ts";
import type { Quantizer } from "../core/quantization.ts";
import { GgufError, systemCode } from "./errors.ts";
import { manifestPath } from "./layout.ts";
import { type Draft, draftModel, makeModel } from "./make-model.ts";
import { existingCasing, readManifestBytes } from "./manifests.ts";
import type { ModelStore } from "./model-store.ts";
import { removeManifest, removeOrphans } from "./orphans.ts";
import { quantizeDraft } from "./quantize-draft.ts";
import { hasSafetensors } from "./sent-checkpoint.ts";
import { settleDraft } from "./settle-draft.ts";
import { checkBlobs, readWholeModel } from "./whole-model.ts";

export interface StoreKeeperDeps {
  readonly quantizer: Quantizer;
  readonly log: Logger;
}

/** What a new model is made of. */
interface Begun {
  readonly parent: Manifest | undefined;
  readonly draft: Draft;
}

interface Made {
  readonly lines: readonly Progress[];
  readonly digest: ManifestDigest;
}

/**
 * Copies, removes and makes models in a store. What removes blobs and what counts on them to stay take turns; a manifest is
 * written last and removed first, so a call that is cut off leaves the old model or the new one.
 */
export class StoreKeeper implements ModelKeeper, ManifestShelf {
  readonly #store: ModelStore;
  readonly #deps: StoreKeeperDeps;
  /** How many hold each blob that may have no name yet. */
  readonly #reserved = new Map<BlobDigest, number>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(store: ModelStore, deps: StoreKeeperDeps) {
    this.#store = store;
    this.#deps = deps;
  }

  async has(name: ModelName, o: Waiting): Promise<boolean> {
    return (await this.#bytesOf(name, o)) !== undefined;
  }

  copy(source: ModelName, destination: ModelName, o: Waiting): Promise<boolean> {
    return this.#exclusively(async () => {
      const found = await this.#bytesOf(source, o);
      if (!found) return false;
      await this.#store.put(destination, found.bytes, o);
      return true;
    });
  }

  remove(name: ModelName, o: Waiting): Promise<boolean> {
    return this.#exclusively(async () => {
      const found = await this.#bytesOf(name, o);
      if (!found) return false;
      await removeManifest(this.#store.layout, found.file);
      await this.#dropBlobs(blobsIn(found.bytes));
      await this.#store.rescan();
      return true;
    });
  }

  async *create(request: CreateRequest, o: Waiting): AsyncIterable<Progress> {
    const { lines, digest } = isLongWork(request)
      ? yield* this.#converted(request, o)
      : await this.#exclusively(async () => this.#make(await this.#begin(request, o), request, o));
    yield* lines;
    yield { status: "success", digest };
  }

  async manifestOf(name: ModelName, o: Waiting): Promise<Uint8Array | undefined> {
    return (await this.#bytesOf(name, o))?.bytes;
  }

  install(
    name: ModelName,
    manifest: Uint8Array,
    o: Waiting,
  ): Promise<{ readonly digest: ManifestDigest; readonly removed: number }> {
    return this.#exclusively(async () => {
      const parsed = parseManifest(manifest);
      await checkBlobs(this.#store.layout, parsed);
      await this.#expectServable(name, parsed, o);
      const before = await this.#bytesOf(name, o);
      await this.#store.put(name, manifest, o);
      const removed = before ? await this.#dropBlobs(blobsIn(before.bytes)) : 0;
      return { digest: manifestDigestOf(manifest), removed };
    });
  }

  /** What could not be served would be in no list, and who asked for it would be told of a success. */
  async #expectServable(name: ModelName, manifest: Manifest, o: Waiting): Promise<void> {
    try {
      await readWholeModel(this.#store.layout, { name, manifest, modifiedAtMs: 0 }, o);
    } catch (error) {
      if (!(error instanceof GgufError)) throw error;
      // The text of the error itself names a path of this machine.
      throw new ManagementError(error.code, `its model is no usable GGUF file (${error.code})`);
    }
  }

  /** Of these, those that no manifest names and nobody has reserved. Says how many went. */
  removeUnneeded(digests: readonly BlobDigest[]): Promise<number> {
    return this.#exclusively(() => this.#dropBlobs(() => digests));
  }

  reserve(digests: Iterable<BlobDigest>): Disposable {
    const held = [...new Set(digests)];
    const change = (by: number): void => {
      for (const digest of held) {
        const count = (this.#reserved.get(digest) ?? 0) + by;
        if (count > 0) this.#reserved.set(digest, count);
        else this.#reserved.delete(digest);
      }
    };
    change(1);
    let open = true;
    return {
      [Symbol.dispose]: () => {
        if (open) change(-1);
        open = false;
      },
    };
  }

  /** Takes hours for a large model: others have their turns meanwhile, and what it is made from stays. */
  async *#converted(request: CreateRequest, o: Waiting): AsyncGenerator<Progress, Made> {
    using held = new DisposableStack();
    const begun = await this.#exclusively(async () => {
      const { parent, draft } = await this.#begin(request, o);
      held.use(this.reserve([...blobsOfParent(parent), ...draft.layers.map((l) => l.digest)]));
      const sent = [request.files, request.adapters].flatMap((files) => Object.values(files));
      held.use(this.reserve(sent.flatMap((digest) => parseBlobDigest(digest) ?? [])));
      return { parent, draft };
    });
    const { parent, draft } = begun;
    const written: BlobDigest[] = [];
    const onBlob = (digest: BlobDigest, isNew: boolean): void => {
      held.use(this.reserve([digest]));
      if (isNew) written.push(digest);
    };
    try {
      const { quantizer } = this.#deps;
      const whole = yield* settleDraft(this.#store, draft, onBlob, o);
      const quantized = yield* quantizeDraft(this.#store, whole, { quantizer, onBlob }, o);
      return await this.#exclusively(() => this.#make({ parent, draft: quantized }, request, o));
    } finally {
      held.dispose();
      // Nobody may need what was made any more, nor what it was made from.
      await this.removeUnneeded([...written, ...blobsOfParent(parent)]);
    }
  }

  async #begin(request: CreateRequest, o: Waiting): Promise<Begun> {
    const { from } = request;
    const found = from && (await this.#bytesOf(from, o));
    if (from && !found) {
      const message = `model '${formatShortName(from)}' not found, try pulling it first`;
      throw new ManagementError("MODEL_NOT_FOUND", message);
    }
    const parent = found && parseManifest(found.bytes);
    return { parent, draft: await draftModel(this.#store, parent, request, o) };
  }

  /** The large files are here already: what is left to do takes milliseconds, so its lines are told together. */
  async #make({ parent, draft }: Begun, request: CreateRequest, o: Waiting): Promise<Made> {
    const { name } = request;
    const before = await this.#bytesOf(name, o);
    const store = this.#store;
    const written: BlobDigest[] = [];
    try {
      const { manifest, lines } = await makeModel(store, parent, draft, request, {
        ...o,
        onBlob: (digest) => written.push(digest),
      });
      await store.put(name, manifest, o);
      if (before) await this.#dropBlobs(blobsIn(before.bytes));
      const digest = manifestDigestOf(manifest);
      if (store.find(name)?.manifest === digest) {
        return { lines: [...lines, { status: "writing manifest" }], digest };
      }
    } catch (error) {
      await this.#dropBlobs(() => written);
      throw error;
    }
    throw new ManagementError(
      "BLOB_CHANGED",
      "the model was made, but it cannot be read: its file is damaged, or another program changed it",
    );
  }

  async #bytesOf(
    name: ModelName,
    o: Waiting,
  ): Promise<{ readonly bytes: Uint8Array; readonly file: string } | undefined> {
    const { layout } = this.#store;
    const file = manifestPath(layout, await existingCasing(layout, name));
    try {
      return { bytes: await readManifestBytes(file, o), file };
    } catch (error) {
      if (systemCode(error) === "ENOENT" || systemCode(error) === "ENOTDIR") return undefined;
      throw error;
    }
  }

  /** Nothing that counts depends on it: blobs that cannot be removed only take room. Also for a client that has gone. */
  async #dropBlobs(digests: () => readonly BlobDigest[]): Promise<number> {
    const { signal } = new AbortController();
    try {
      const gone = digests().filter((digest) => !this.#reserved.has(digest));
      return await removeOrphans(this.#store.layout, gone, { signal });
    } catch (error) {
      this.#deps.log.warn({ problem: messageOf(error) }, "unused blobs stay");
      return 0;
    }
  }

  #exclusively<T>(action: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(action);
    this.#turn = result.catch(() => {}); // Its caller gets the error; the next one does not care.
    return result;
  }
}

/** Several files may be the parts of one model, which are merged or converted. */
function isLongWork({ quantize, files, adapters }: CreateRequest): boolean {
  return Boolean(quantize) || Object.keys(files).length > 1 || hasSafetensors(adapters);
}

function blobsIn(manifest: Uint8Array): () => readonly BlobDigest[] {
  return () => blobsOf(parseManifest(manifest)).map(({ digest }) => digest);
}

function blobsOfParent(parent: Manifest | undefined): readonly BlobDigest[] {
  return parent ? blobsOf(parent).map(({ digest }) => digest) : [];
}
