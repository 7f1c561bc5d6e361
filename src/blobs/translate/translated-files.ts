import { randomUUID } from "node:crypto";
import { mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import type { Clock } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import type { ModelFiles } from "../../core/model.ts";
import type { LoadProgress, Waiting } from "../../core/ports.ts";
import { expectSpace } from "../disk-space.ts";
import { writeFailure } from "../errors.ts";
import type { GgufDraft } from "./gguf-draft.ts";
import { projectorTranslationOf, translationOf } from "./translate.ts";
import { translatedChunks } from "./translated-source.ts";

/** In the models folder: Ollama, which may share it, looks only at `blobs` and `manifests`. */
const FOLDER = "ollamamax-translated";
/** Grows when something else is made of the same file. */
const VERSION = 1;
const NAME = /^(sha256-[0-9a-f]{64})\.(?:model|projector)-(\d+)\.gguf$/;
/** Of a process that was killed; one that writes has written more recently. */
const ABANDONED_AFTER_MS = 60 * 60 * 1_000;

export interface TranslatedFilesDeps {
  readonly clock: Pick<Clock, "wallMs">;
  readonly log: Logger;
}

type Runnable = Pick<ModelFiles, "modelPath" | "projectorPaths">;

interface Wanted {
  readonly source: string;
  readonly kind: "model" | "projector";
  readonly draft: GgufDraft;
}

/**
 * Files that llama.cpp loads in place of those that only Ollama's own engine does. They are made when such a model is loaded
 * first, take as much of the disk again, and go when the blob goes that they are made of.
 */
export class TranslatedFiles {
  readonly #dir: string;
  readonly #deps: TranslatedFilesDeps;
  readonly #making = new Map<string, Promise<string>>();
  /** Of blobs that have any; as of the first look. */
  #known: Set<string> | undefined;

  constructor(modelsDir: string, deps: TranslatedFilesDeps) {
    this.#dir = path.join(modelsDir, FOLDER);
    this.#deps = deps;
  }

  /** What to load; the model's own files where nothing has to be made. */
  async of(files: Runnable, o: Waiting & LoadProgress): Promise<Runnable> {
    const { modelPath, projectorPaths } = files;
    const { model, projector } = await translationOf(modelPath, o);
    if (model) {
      const made = await this.#all(
        [
          { source: modelPath, kind: "model", draft: model },
          ...(projector && projectorPaths.length === 0
            ? [{ source: modelPath, kind: "projector" as const, draft: projector }]
            : []),
        ],
        o,
      );
      const [first = modelPath, ...others] = made;
      return { modelPath: first, projectorPaths: others.length > 0 ? others : projectorPaths };
    }
    const [first, ...others] = projectorPaths;
    const draft = first === undefined ? undefined : await projectorTranslationOf(first, o);
    if (first === undefined || !draft) return files;
    const made = await this.#all([{ source: first, kind: "projector", draft }], o);
    return { modelPath, projectorPaths: [...made, ...others] };
  }

  /** Removes what was made of blobs that are not here any more. */
  async sweep(blobs: ReadonlySet<string>): Promise<void> {
    this.#known ??= await this.#look();
    for (const blob of this.#known) {
      if (blobs.has(blob)) continue;
      this.#known.delete(blob);
      for (const name of await this.#names()) {
        if (name.startsWith(`${blob}.`)) await this.#remove(name);
      }
    }
  }

  async #all(wanted: readonly Wanted[], o: Waiting & LoadProgress): Promise<readonly string[]> {
    const made: string[] = [];
    for (const [i, each] of wanted.entries()) {
      const onProgress = (fraction: number): void => o.onProgress((i + fraction) / wanted.length);
      made.push(await this.#make(each, { ...o, onProgress }));
    }
    return made;
  }

  async #make({ source, kind, draft }: Wanted, o: Waiting & LoadProgress): Promise<string> {
    const blob = path.basename(source);
    const file = path.join(this.#dir, `${blob}.${kind}-${VERSION}.gguf`);
    for (;;) {
      const underWay = this.#making.get(file);
      if (!underWay) break;
      // Whoever began it may have been called off.
      await underWay.catch(() => {});
    }
    o.signal.throwIfAborted();
    const making = this.#write(source, draft, file, o).finally(() => this.#making.delete(file));
    this.#making.set(file, making);
    return await making;
  }

  async #write(
    source: string,
    draft: GgufDraft,
    file: string,
    o: Waiting & LoadProgress,
  ): Promise<string> {
    const sizeBytes = draft.fileBytes();
    if ((await sizeOf(file)) === sizeBytes) return file;
    const partial = `${file}.${randomUUID()}.partial`;
    this.#deps.log.info({ file, sizeBytes }, "what llama.cpp loads of a model of Ollama's is made");
    try {
      await mkdir(this.#dir, { recursive: true });
      await expectSpace(this.#dir, sizeBytes, "What llama.cpp loads in place of this model");
      {
        await using handle = await open(partial, "wx");
        let written = 0;
        for await (const chunk of translatedChunks(source, draft, o)) {
          await handle.writeFile(chunk);
          written += chunk.length;
          o.onProgress(written / sizeBytes);
        }
        await handle.sync();
      }
      await rename(partial, file);
      this.#known?.add(path.basename(source));
      return file;
    } catch (error) {
      await rm(partial, { force: true }).catch(() => {});
      throw writeFailure(error, this.#dir);
    }
  }

  async #look(): Promise<Set<string>> {
    const known = new Set<string>();
    for (const name of await this.#names()) {
      const [, blob, version] = NAME.exec(name) ?? [];
      if (blob && Number(version) === VERSION) known.add(blob);
      else if (await this.#isAbandoned(name)) await this.#remove(name);
    }
    return known;
  }

  async #names(): Promise<readonly string[]> {
    return await readdir(this.#dir).catch(() => []);
  }

  /** Of an earlier version, or by a process that did not come to an end. */
  async #isAbandoned(name: string): Promise<boolean> {
    const found = await stat(path.join(this.#dir, name)).catch(() => undefined);
    return found !== undefined && this.#deps.clock.wallMs() - found.mtimeMs > ABANDONED_AFTER_MS;
  }

  async #remove(name: string): Promise<void> {
    try {
      await rm(path.join(this.#dir, name), { force: true });
    } catch (error) {
      this.#deps.log.warn({ name, problem: messageOf(error) }, "a file that nobody needs stays");
    }
  }
}

async function sizeOf(file: string): Promise<number | undefined> {
  return (await stat(file).catch(() => undefined))?.size;
}
