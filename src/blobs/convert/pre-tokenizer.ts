import { notConvertible } from "./checkpoint-error.ts";
import { isJson, type Json, partsOf } from "./json.ts";

const CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const AFTER_DIGITS = "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const AFTER_DIGITS_SLASH = AFTER_DIGITS.replace("[\\r\\n]*", "[\\r\\n/]*");
const UPPER = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]";
const LOWER = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]";
const NOT_WORD = "[^\\r\\n\\p{L}\\p{N}]?";

/** By the expressions that cut a text, one after the other, as the makers of the models published them. */
const BY_EXPRESSION: Readonly<Record<string, string>> = {
  // Where merges count also for whole words it is "llama-bpe": see below.
  [`${CONTRACTIONS}|${NOT_WORD}\\p{L}+|\\p{N}{1,3}${AFTER_DIGITS}`]: "dbrx",
  [`${CONTRACTIONS}|${NOT_WORD}\\p{L}+|\\p{N}${AFTER_DIGITS}`]: "qwen2",
  [`${NOT_WORD}${UPPER}*${LOWER}+|${NOT_WORD}${UPPER}+${LOWER}*|\\p{N}${AFTER_DIGITS_SLASH}`]:
    "tekken",
  [`${NOT_WORD}${UPPER}*${LOWER}+${CONTRACTIONS}?|${NOT_WORD}${UPPER}+${LOWER}*${CONTRACTIONS}?|\\p{N}{1,3}${AFTER_DIGITS_SLASH}`]:
    "gpt-4o",
};

/**
 * llama.cpp's name (llama-vocab.cpp) for how a tokenizer.json cuts a text before bytes are merged. A wrong one makes a model
 * that seems to work and is worse than it was, so what is not known is refused.
 */
export function preTokenizerOf(tokenizer: Json): string {
  const parts = partsOf(tokenizer["pre_tokenizer"], "pretokenizers");
  const expressions = parts.flatMap(({ pattern }) =>
    isJson(pattern) && typeof pattern["Regex"] === "string" ? [pattern["Regex"]] : [],
  );
  const name = BY_EXPRESSION[expressions.join("\n")];
  if (name === "dbrx") return ignoresMerges(tokenizer) ? "llama-bpe" : name;
  if (name !== undefined) return name;
  const cutsBySelf = parts.some((p) => p["type"] === "ByteLevel" && p["use_regex"] !== false);
  if (expressions.length === 0 && cutsBySelf) {
    return parts.some(
      ({ type, individual_digits }) => type === "Digits" && individual_digits === true,
    )
      ? "smollm"
      : "gpt-2";
  }
  throw notConvertible(`a tokenizer that cuts texts by ${JSON.stringify(expressions)}`);
}

function ignoresMerges({ model }: Json): boolean {
  return isJson(model) && model["ignore_merges"] === true;
}
