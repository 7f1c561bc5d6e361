import { readFile, rename, writeFile } from "node:fs/promises";
import { z } from "zod";
import { messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import type { ModelRecord } from "../core/model.ts";

const schema = z.array(z.object({ name: z.string(), manifest: z.string() })).max(100_000);

type Placed = Pick<ModelRecord, "name" | "manifest">;

/** Which of this node's models came by a copy that the cluster wanted. The file lasts over a restart. */
export class PlacedModels {
  readonly #file: string;
  readonly #log: Logger;
  readonly #models = new Map<string, { readonly name: string; readonly manifest: string }>();

  private constructor(file: string, log: Logger) {
    this.#file = file;
    this.#log = log;
  }

  /** A file that cannot be read holds none: then nothing is taken for ours that is not. */
  static async open(file: string, { log }: { readonly log: Logger }): Promise<PlacedModels> {
    const placed = new PlacedModels(file, log);
    try {
      const models = schema.parse(JSON.parse(await readFile(file, "utf8")));
      for (const model of models) placed.#models.set(keyOf(model), model);
    } catch (error) {
      const isMissing = error instanceof Error && "code" in error && error.code === "ENOENT";
      if (!isMissing) log.warn({ file, problem: messageOf(error) }, "list of copies is damaged");
    }
    return placed;
  }

  has(model: Placed): boolean {
    return this.#models.has(keyOf(model));
  }

  /** Of those that are here no more nothing is kept. */
  async add(model: Placed, present: readonly Placed[]): Promise<void> {
    const here = new Set(present.map(keyOf));
    for (const key of this.#models.keys()) if (!here.has(key)) this.#models.delete(key);
    const { name, manifest } = model;
    this.#models.set(keyOf(model), { name, manifest });
    try {
      await writeFile(`${this.#file}.new`, JSON.stringify([...this.#models.values()]));
      await rename(`${this.#file}.new`, this.#file);
    } catch (error) {
      this.#log.warn({ problem: messageOf(error) }, "a copy will count as somebody's own");
    }
  }
}

function keyOf({ name, manifest }: { readonly name: string; readonly manifest: string }): string {
  return `${name} ${manifest}`;
}
