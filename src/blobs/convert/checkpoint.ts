import path from "node:path";
import { isSafetensorsName } from "../../core/checkpoint-files.ts";
import type { Waiting } from "../../core/ports.ts";
import { badCheckpoint } from "./checkpoint-error.ts";
import { type Json, parseJson, readBounded } from "./json.ts";
import { readSafetensors, type StoredTensor } from "./safetensors.ts";
import type { SpecialFiles } from "./special-tokens.ts";

/** A file of a checkpoint: what its sender calls it, and where it lies. */
export interface CheckpointFile {
  readonly name: string;
  readonly file: string;
}

/** The files of a model as they are published, by the names that they have there. */
export class Checkpoint {
  readonly #files: ReadonlyMap<string, string>;
  readonly #o: Waiting;

  constructor(files: readonly CheckpointFile[], o: Waiting) {
    this.#files = new Map(files.map(({ name, file }) => [path.posix.basename(name), file]));
    this.#o = o;
  }

  /** Of all files of weights, in the order of their names. */
  async tensors(): Promise<readonly StoredTensor[]> {
    const names = [...this.#files.keys()].filter(isSafetensorsName).sort();
    const tensors: StoredTensor[] = [];
    const seen = new Map<string, string>();
    for (const name of names) {
      for (const tensor of await readSafetensors(this.#files.get(name) ?? "", name, this.#o)) {
        const other = seen.get(tensor.name);
        if (other) throw badCheckpoint(`both ${other} and ${name} have a tensor ${tensor.name}`);
        seen.set(tensor.name, name);
        tensors.push(tensor);
      }
    }
    await this.#expectAll(names);
    return tensors;
  }

  async json(name: string): Promise<Json> {
    const found = await this.optionalJson(name);
    if (found) return found;
    throw badCheckpoint(`there is no ${name} among the files: send it with them`);
  }

  async optionalJson(name: string): Promise<Json | undefined> {
    const bytes = await this.#bytes(name);
    return bytes && parseJson(bytes, name);
  }

  async special(config: Json): Promise<SpecialFiles> {
    const [sentencePiece, tokenizer, tokenizerConfig, addedTokens] = await Promise.all([
      this.#bytes("tokenizer.model"),
      this.optionalJson("tokenizer.json"),
      this.optionalJson("tokenizer_config.json"),
      this.optionalJson("added_tokens.json"),
    ]);
    return {
      config,
      ...(sentencePiece && { sentencePiece }),
      ...(tokenizer && { tokenizer }),
      ...(tokenizerConfig && { tokenizerConfig }),
      ...(addedTokens && { addedTokens }),
    };
  }

  /** Jinja: in a file of its own in newer checkpoints, else in tokenizer_config.json, alone or as one of several. */
  async chatTemplate(tokenizerConfig: Json | undefined): Promise<string | undefined> {
    const own = await this.#bytes("chat_template.jinja");
    if (own) return own.toString("utf8");
    const told = (await this.optionalJson("chat_template.json")) ?? tokenizerConfig;
    const template = told?.["chat_template"];
    if (typeof template === "string") return template;
    const named: readonly unknown[] = Array.isArray(template) ? template : [];
    const found = named.find(
      (entry): entry is { readonly template: string } =>
        typeof entry === "object" &&
        entry !== null &&
        "name" in entry &&
        entry.name === "default" &&
        "template" in entry &&
        typeof entry.template === "string",
    );
    return found?.template;
  }

  async #bytes(name: string): Promise<Buffer | undefined> {
    const file = this.#files.get(name);
    return file === undefined ? undefined : await readBounded(file, name);
  }

  /** A model without some of its weights may load, and speaks nonsense. */
  async #expectAll(names: readonly string[]): Promise<void> {
    const missing = names.flatMap((name) => siblings(name)).find((name) => !this.#files.has(name));
    if (missing) throw badCheckpoint(`${missing} is missing among the files: send all parts`);
  }
}

const PART = /^(.*-)(\d{5})-of-(\d{5})(\.safetensors)$/i;
const PARTS_MAX = 1_000;

/** The names of all parts of which this is one. */
function siblings(name: string): readonly string[] {
  const [, stem = "", , total = "", suffix = ""] = PART.exec(name) ?? [];
  const count = Math.min(Number(total), PARTS_MAX);
  return Array.from(
    { length: count },
    (_, i) => `${stem}${String(i + 1).padStart(5, "0")}-of-${total}${suffix}`,
  );
}
