import type { GgufTyped } from "./gguf-head.ts";
import { isJson, type Json, partsOf } from "./json.ts";
import type { Vocabulary, VocabularyFiles } from "./vocabulary.ts";

export interface SpecialFiles extends VocabularyFiles {
  readonly config: Json;
}

/** Hugging Face's names, and those of GGUF's keys. */
const KINDS = { bos: "bos", eos: "eos", unk: "unknown", sep: "seperator", pad: "padding" } as const;

type Entry = readonly [key: string, value: GgufTyped];

/** The keys that tell which tokens begin and end a text, and whether llama.cpp is to put them there. */
export function specialTokenKeys(files: SpecialFiles, { tokens }: Vocabulary): Entry[] {
  const ids = new Map(tokens.flatMap((token, id) => (token ? [[token.text, id] as const] : [])));
  const found = Object.entries(KINDS).flatMap(([kind, key]): Entry[] => {
    const id = idOf(kind, files, ids);
    if (id === undefined || id >= tokens.length) return [];
    return [[`tokenizer.ggml.${key}_token_id`, { type: "uint32", value: id }]];
  });
  return [...found, ...(["bos", "eos"] as const).flatMap((kind) => addsKey(kind, files))];
}

function idOf(
  kind: string,
  { tokenizerConfig, config }: SpecialFiles,
  ids: ReadonlyMap<string, number>,
): number | undefined {
  const text = textOf(tokenizerConfig?.[`${kind}_token`]);
  const named = text === undefined ? undefined : ids.get(text);
  if (named !== undefined) return named;
  const listed = config[`${kind}_token_id`];
  const id: unknown = Array.isArray(listed) ? listed[0] : listed;
  return typeof id === "number" && Number.isInteger(id) && id >= 0 ? id : undefined;
}

function addsKey(kind: "bos" | "eos", files: SpecialFiles): Entry[] {
  const said = files.tokenizerConfig?.[`add_${kind}_token`];
  const value = typeof said === "boolean" ? said : addsByTemplate(kind, files);
  return value === undefined ? [] : [[`tokenizer.ggml.add_${kind}_token`, { type: "bool", value }]];
}

/** Where a text gets its marks by a template for single texts: [begin, text, end]. */
function addsByTemplate(kind: "bos" | "eos", { tokenizer, tokenizerConfig }: SpecialFiles) {
  const template = partsOf(tokenizer?.["post_processor"], "processors").find(
    ({ type }) => type === "TemplateProcessing",
  );
  const single = template?.["single"];
  if (!Array.isArray(single)) return undefined;
  const special: unknown = single.at(kind === "bos" ? 0 : -1);
  const mark =
    isJson(special) && isJson(special["SpecialToken"]) ? special["SpecialToken"]["id"] : undefined;
  return mark !== undefined && mark === textOf(tokenizerConfig?.[`${kind}_token`]);
}

function textOf(token: unknown): string | undefined {
  const text = isJson(token) ? token["content"] : token;
  return typeof text === "string" ? text : undefined;
}
