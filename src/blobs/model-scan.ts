import { stat } from "node:fs/promises";
import { isAborted, messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import { type Manifest, parseManifest } from "../core/manifest.ts";
import { formatFullName, type ModelName } from "../core/model-name.ts";
import type { Waiting } from "../core/ports.ts";
import type { Layout } from "./layout.ts";
import { listManifests, type ManifestFile, readManifestBytes } from "./manifests.ts";
import { mapBounded } from "./map-bounded.ts";
import {
  checkBlobs,
  type DamagedBlobs,
  modelLayerOf,
  readWholeModel,
  versionOf,
  type WholeModel,
} from "./whole-model.ts";

/** A model whose manifest can be read and names a GGUF file. */
export interface ScannedModel {
  readonly name: ModelName;
  readonly manifest: Manifest;
  /** Set when nothing of it is missing. */
  readonly whole?: WholeModel;
}

export interface ScanResult {
  /** By full name. */
  readonly models: ReadonlyMap<string, ScannedModel>;
  /** The folders that hold manifests. */
  readonly dirs: readonly string[];
}

/** What the last scan saw of a file. */
interface Seen {
  /** Another one means that the file was written. */
  version: string;
  manifest?: Manifest;
  /** Kept also while a blob is missing. */
  whole?: WholeModel;
  problem?: string;
  /** It could not be read this once, and may have been caught while it was written: what was before still holds. */
  doubtful?: boolean;
}

const CONCURRENCY_MAX = 16;

/** Looks through a models folder, again and again; what has not changed is not read twice. */
export class ModelScan {
  readonly #layout: Layout;
  readonly #log: Logger;
  readonly #damaged: DamagedBlobs;
  /** By path; made anew by each scan, so it never holds more than the folder does. */
  #seen: ReadonlyMap<string, Seen> = new Map();
  #problems: ReadonlyMap<string, string> = new Map();

  constructor(layout: Layout, log: Logger, damaged: DamagedBlobs) {
    this.#layout = layout;
    this.#log = log;
    this.#damaged = damaged;
  }

  async scan(o: Waiting): Promise<ScanResult> {
    const tree = await listManifests(this.#layout);
    const rows = await mapBounded(tree.files, CONCURRENCY_MAX, async (file) => ({
      file,
      seen: await this.#look(file, o),
    }));
    const problems = new Map(tree.problems);
    const models = new Map<string, ScannedModel>();
    for (const { file, seen } of rows) {
      const { manifest, whole, problem } = seen;
      if (problem !== undefined) problems.set(file.path, problem);
      if (!manifest) continue;
      const ready = whole && problem === undefined;
      models.set(formatFullName(file.name), {
        name: file.name,
        manifest,
        ...(ready && { whole }),
      });
    }
    this.#tell(problems);
    this.#seen = new Map(rows.map(({ file, seen }) => [file.path, seen]));
    return { models, dirs: tree.dirs };
  }

  async #look(file: ManifestFile, o: Waiting): Promise<Seen> {
    const before = this.#seen.get(file.path);
    const seen: Seen = { version: "" };
    try {
      const stats = await stat(file.path);
      seen.version = await versionOf(file.path);
      if (before?.version === seen.version) {
        if (before.manifest) seen.manifest = before.manifest;
        if (before.whole) seen.whole = before.whole;
      }

      const manifest = seen.manifest ?? parseManifest(await readManifestBytes(file.path, o));
      modelLayerOf(manifest);
      seen.manifest = manifest;
      await checkBlobs(this.#layout, manifest, this.#damaged);
      const found = { name: file.name, manifest, modifiedAtMs: Math.floor(stats.mtimeMs) };
      seen.whole ??= await readWholeModel(this.#layout, found, o);
    } catch (error) {
      if (isAborted(error)) throw error;
      if (!seen.manifest && before?.manifest && before.doubtful !== true) {
        return { ...before, version: "", doubtful: true };
      }
      seen.problem = messageOf(error);
    }
    return seen;
  }

  /** Each problem once, until it changes. */
  #tell(problems: ReadonlyMap<string, string>): void {
    for (const [path, problem] of problems) {
      if (this.#problems.get(path) === problem) continue;
      this.#log.warn({ path, problem }, "model cannot be served");
    }
    this.#problems = problems;
  }
}
