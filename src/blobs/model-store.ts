import path from "node:path";
import { Broadcast } from "../core/broadcast.ts";
import type { Clock } from "../core/clock.ts";
import type { BlobDigest, ManifestDigest } from "../core/digest.ts";
import { messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import { blobsOf } from "../core/manifest.ts";
import type { DescribeOptions, ModelDescription, ModelFiles, ModelRecord } from "../core/model.ts";
import { type ModelName, sameName } from "../core/model-name.ts";
import type { BlobId, BlobPieces, PieceStore } from "../core/pieces.ts";
import type {
  BlobStore,
  LoadProgress,
  LocalModels,
  LocalReplicaChange,
  PartialBlob,
  Waiting,
} from "../core/ports.ts";
import { BlobFolder, removeAbandoned } from "./blob-folder.ts";
import { describeModel } from "./describe.ts";
import { notWritable } from "./errors.ts";
import { FolderWatch } from "./folder-watch.ts";
import { readGguf } from "./gguf.ts";
import { type KnownModel, updateKnown } from "./known-models.ts";
import { blobPath, type Layout, layoutOf } from "./layout.ts";
import { putManifest } from "./manifests.ts";
import { readModelLayers } from "./model-layers.ts";
import { ModelScan, type ScannedModel } from "./model-scan.ts";
import { openModelsFolder } from "./models-folder.ts";
import { PieceFolder } from "./piece-folder.ts";
import { TranslatedFiles } from "./translate/translated-files.ts";
import { checkBlobs, modelLayerOf, versionOf, type WholeModel } from "./whole-model.ts";

export interface ModelStoreOptions {
  /** In Ollama's layout; made when it is missing. */
  readonly dir: string;
}

/** Hints may be lost (network file systems, no watches left), and what lies in the folder is somebody else's, too. */
const RESCAN_INTERVAL_MS = 5_000;
/** Whoever writes a manifest gets so long to finish it. */
const SETTLE_MS = 50;
/** Looking at the files of a model again is a tenth of a short answer's time. */
const CHECK_HOLDS_MS = 500;

/**
 * The models folder of this node, which another program such as Ollama may use at the same time. It is only ever added to:
 * blobs and manifests that an import or a copy from a peer brings, each written aside and renamed into place.
 */
export class ModelStore implements LocalModels, BlobStore, PieceStore, AsyncDisposable {
  readonly layout: Layout;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #readOnly: { readonly cause: unknown } | undefined;
  readonly #blobs: BlobFolder;
  readonly #pieces: PieceFolder;
  readonly #scan: ModelScan;
  readonly #translated: TranslatedFiles;
  readonly #watch: FolderWatch;
  readonly #changes = new Broadcast<LocalReplicaChange>();
  readonly #stop = new AbortController();
  readonly #damaged = new Map<BlobDigest, string>();
  /** When the blobs of a model were last seen to be here; emptied by every scan. */
  readonly #checkedMs = new Map<ManifestDigest, number>();
  #known: ReadonlyMap<string, KnownModel> = new Map();
  #models: readonly ScannedModel[] = [];
  #records: readonly ModelRecord[] = [];
  /** Scans run one after another. */
  #scanning: Promise<void> = Promise.resolve();
  #loop: Promise<void> = Promise.resolve();
  #hinted = false;
  #nap = new AbortController();

  private constructor(
    layout: Layout,
    deps: { readonly clock: Clock; readonly log: Logger },
    readOnly: { readonly cause: unknown } | undefined,
  ) {
    this.layout = layout;
    this.#clock = deps.clock;
    this.#log = deps.log;
    this.#readOnly = readOnly;
    this.#blobs = new BlobFolder(layout, this.#damaged);
    this.#pieces = new PieceFolder(layout, deps);
    this.#scan = new ModelScan(layout, deps.log, this.#damaged);
    this.#translated = new TranslatedFiles(layout.dir, deps);
    this.#watch = new FolderWatch(() => this.#hint());
  }

  /** Throws MODELS_DIR_NOT_WRITABLE or MODELS_DIR_NOT_READABLE when the folder can be neither made nor read. */
  static async open(
    options: ModelStoreOptions,
    deps: { readonly clock: Clock; readonly log: Logger },
  ): Promise<ModelStore> {
    const layout = layoutOf(options.dir);
    const access = await openModelsFolder(layout);
    const readOnly = "notWritable" in access ? { cause: access.notWritable } : undefined;
    const store = new ModelStore(layout, deps, readOnly);
    try {
      if (readOnly) deps.log.warn({ dir: layout.dir }, "models folder is served read-only");
      else await store.#removeAbandoned();
      await store.rescan();
    } catch (error) {
      await store[Symbol.asyncDispose]();
      throw error;
    }
    store.#loop = store.#run();
    return store;
  }

  get writable(): boolean {
    return this.#readOnly === undefined;
  }

  /** The models that are whole, in the order of their names. */
  list(): readonly ModelRecord[] {
    return this.#records;
  }

  /** The whole model of this name, in whatever casing. */
  find(name: ModelName): ModelRecord | undefined {
    return this.#models.find((model) => sameName(model.name, name))?.whole?.record;
  }

  changes(o: Waiting): AsyncIterable<LocalReplicaChange> {
    return this.#changes.subscribe(o);
  }

  async open(model: ManifestDigest, o: Waiting): Promise<ModelFiles | undefined> {
    const found = await this.#find(model);
    if (!found) return undefined;
    const { manifest, whole } = found;
    const layer = modelLayerOf(manifest);
    const { template, system, parameters, messages } = await readModelLayers(
      this.layout,
      manifest,
      o,
    );
    return {
      record: whole.record,
      modelPath: blobPath(this.layout, layer.digest),
      modelBlob: layer.digest,
      modelFileBytes: layer.sizeBytes,
      adapterPaths: this.#pathsOf(found, "adapter"),
      projectorPaths: this.#pathsOf(found, "projector"),
      ...(template !== undefined && { template }),
      ...(whole.config.renderer !== undefined && { renderer: whole.config.renderer }),
      ...(whole.config.parser !== undefined && { parser: whole.config.parser }),
      ...(system !== undefined && { system }),
      parameters,
      messages,
    };
  }

  runnable(
    files: ModelFiles,
    o: Waiting & LoadProgress,
  ): Promise<Pick<ModelFiles, "modelPath" | "projectorPaths">> {
    return this.#translated.of(files, o);
  }

  async describe(
    model: ManifestDigest,
    options: DescribeOptions,
    o: Waiting,
  ): Promise<ModelDescription | undefined> {
    const found = await this.#find(model);
    if (!found) return undefined;
    const { verbose } = options;
    const modelPath = blobPath(this.layout, modelLayerOf(found.manifest).digest);
    const projectorPaths = this.#pathsOf(found, "projector");
    const [projector] = projectorPaths;
    return describeModel({
      name: found.name,
      whole: found.whole,
      modelPath,
      adapterPaths: this.#pathsOf(found, "adapter"),
      projectorPaths,
      layers: await readModelLayers(this.layout, found.manifest, o),
      gguf: await readGguf(modelPath, { verbose }, o),
      ...(projector !== undefined && { projector: await readGguf(projector, { verbose }, o) }),
      options,
    });
  }

  stat(digest: BlobDigest): Promise<{ readonly sizeBytes: number } | undefined> {
    return this.#blobs.stat(digest);
  }

  /** The bytes from `start` up to, not including, `end`. */
  read(
    digest: BlobDigest,
    range: { readonly start: number; readonly end: number },
    o: Parameters<BlobStore["read"]>[2],
  ): AsyncIterable<Uint8Array> {
    return this.#blobs.read(digest, range, o);
  }

  async create(o: Waiting & { readonly expected?: BlobDigest }): Promise<PartialBlob> {
    this.#expectWritable();
    return this.#blobs.create(o);
  }

  async openPieces(blob: BlobId, o: Waiting): Promise<BlobPieces> {
    this.#expectWritable();
    return await this.#pieces.openPieces(blob, o);
  }

  piecesOf(digest: BlobDigest): BlobPieces | undefined {
    return this.#pieces.piecesOf(digest);
  }

  /** Writes the manifest's bytes as they are, under the casing the name already has here, and looks at the result. */
  async put(name: ModelName, manifest: Uint8Array, o: Waiting): Promise<void> {
    this.#expectWritable();
    await putManifest(this.layout, name, manifest, o);
    await this.rescan();
  }

  /** Of every model that is whole or was, each once. */
  blobsInUse(): ReadonlySet<BlobDigest> {
    const digests = this.#models.flatMap(({ manifest }) => blobsOf(manifest));
    return new Set(digests.map(({ digest }) => digest));
  }

  /** The models that need this blob, whole or not. */
  manifestsWith(digest: BlobDigest): readonly ManifestDigest[] {
    return this.#models
      .filter(({ manifest }) => blobsOf(manifest).some((blob) => blob.digest === digest))
      .map(({ manifest }) => manifest.digest);
  }

  /** Each once; none of a model that is not here. */
  blobsOfModel(model: ManifestDigest): readonly BlobDigest[] {
    const found = this.#models.find(({ manifest }) => manifest.digest === model);
    return found ? blobsOf(found.manifest).map(({ digest }) => digest) : [];
  }

  /** Models that cannot be served because a blob of theirs is damaged. */
  damagedModels(): readonly { readonly model: ManifestDigest; readonly name: ModelName }[] {
    return this.#models
      .filter(({ manifest, whole }) => {
        return !whole && blobsOf(manifest).some(({ digest }) => this.#damaged.has(digest));
      })
      .map(({ manifest, name }) => ({ model: manifest.digest, name }));
  }

  /** Another one means that the blob's file was written, or is another file. */
  blobVersion(digest: BlobDigest): Promise<string> {
    return versionOf(blobPath(this.layout, digest));
  }

  /** Models that need this blob are served no more, until another file is in its place. */
  async markDamaged(digest: BlobDigest, version: string): Promise<void> {
    this.#damaged.set(digest, version);
    await this.rescan();
  }

  /** Looks at the folder now. Once it resolves, `list` holds what was there at the call. */
  rescan(): Promise<void> {
    const scan = this.#scanning.then(() => this.#scanOnce());
    this.#scanning = scan.catch(() => {}); // Its caller gets the error; the next scan does not care.
    return scan;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#nap.abort();
    this.#watch[Symbol.dispose]();
    await this.#loop;
    await this.#scanning;
    this.#watch[Symbol.dispose](); // A scan that was under way may have begun to watch again.
  }

  async #scanOnce(): Promise<void> {
    const { models, dirs } = await this.#scan.scan({ signal: this.#stop.signal });
    const found = new Map(
      [...models].map(([name, { manifest, whole }]) => [
        name,
        { manifest: manifest.digest, ...(whole && { record: whole.record }) },
      ]),
    );
    const { known, changes } = updateKnown(this.#known, found);
    this.#known = known;
    this.#models = [...models.values()];
    this.#checkedMs.clear();
    this.#records = this.#models.flatMap(({ whole }) => (whole ? [whole.record] : []));
    for (const change of changes) this.#changes.publish(change);
    const blobs = [...this.blobsInUse()].map((digest) =>
      path.basename(blobPath(this.layout, digest)),
    );
    await this.#translated.sweep(new Set(blobs));

    const folders = new Map(dirs.map((dir) => [dir, "every change" as const]));
    const added = this.#watch.watch(new Map([...folders, [this.layout.blobsDir, "names only"]]));
    if (added) this.#hint();
  }

  /** The model of this digest whose blobs are all here, or were a moment ago. */
  async #find(
    digest: ManifestDigest,
  ): Promise<(ScannedModel & { readonly whole: WholeModel }) | undefined> {
    for (const model of this.#models) {
      const { manifest, whole } = model;
      if (manifest.digest !== digest || !whole) continue;
      if (this.#clock.nowMs() - (this.#checkedMs.get(digest) ?? -CHECK_HOLDS_MS) < CHECK_HOLDS_MS) {
        return { ...model, whole };
      }
      try {
        await checkBlobs(this.layout, manifest, this.#damaged);
        this.#checkedMs.set(digest, this.#clock.nowMs());
      } catch (error) {
        this.#log.warn({ model: whole.record.name, problem: messageOf(error) }, "model is damaged");
        this.#hint();
        return undefined;
      }
      return { ...model, whole };
    }
    return undefined;
  }

  #pathsOf({ manifest }: ScannedModel, kind: string): string[] {
    return manifest.layers
      .filter((layer) => layer.kind === kind)
      .map((layer) => blobPath(this.layout, layer.digest));
  }

  #expectWritable(): void {
    if (this.#readOnly) throw notWritable(this.layout.dir, this.#readOnly.cause);
  }

  async #removeAbandoned(): Promise<void> {
    try {
      const removed = await removeAbandoned(this.layout, this.#clock.wallMs());
      if (removed > 0) this.#log.info({ removed }, "unfinished imports removed");
    } catch (error) {
      this.#log.warn({ problem: messageOf(error) }, "unfinished imports stay");
    }
  }

  #hint(): void {
    this.#hinted = true;
    this.#nap.abort();
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.#pause();
      if (this.#stop.signal.aborted) return;
      try {
        await this.rescan();
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        this.#log.warn({ problem: messageOf(error) }, "models folder cannot be scanned");
      }
    }
  }

  /** Until the interval is over, or a hint came and what caused it had time to settle. */
  async #pause(): Promise<void> {
    this.#nap = new AbortController();
    if (!this.#hinted) await this.#sleep(RESCAN_INTERVAL_MS, this.#nap.signal);
    if (this.#hinted) await this.#sleep(SETTLE_MS, this.#stop.signal);
    this.#hinted = false;
  }

  async #sleep(durationMs: number, signal: AbortSignal): Promise<void> {
    try {
      await this.#clock.sleep(durationMs, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
}
