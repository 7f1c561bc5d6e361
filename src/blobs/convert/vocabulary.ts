import { fromBinary } from "@bufbuild/protobuf";
import {
  SentencePieceModelSchema,
  SentencePieceModelType,
} from "../../gen/ollamamax/v1/sentencepiece_pb.ts";
import { badCheckpoint, notConvertible } from "./checkpoint-error.ts";
import { isJson, type Json, partsOf } from "./json.ts";
import { preTokenizerOf } from "./pre-tokenizer.ts";

/** llama.h `enum llama_token_type`; SentencePiece numbers its pieces in the same way. */
export const TOKEN_TYPES = {
  normal: 1,
  unknown: 2,
  control: 3,
  userDefined: 4,
  unused: 5,
  byte: 6,
};

export interface VocabularyToken {
  readonly text: string;
  /** The higher, the earlier it is merged; of no meaning where there are merges. */
  readonly score: number;
  readonly type: number;
}

/** What a model's tokens are and how a text is cut into them. */
export interface Vocabulary {
  /** As llama.cpp calls it: "llama" merges by scores, "gpt2" the bytes by a list of merges. */
  readonly model: "llama" | "gpt2";
  /** llama.cpp's name of the way a text is cut before that. */
  readonly pre: string;
  /** By their ids; where there is a gap, undefined. */
  readonly tokens: readonly (VocabularyToken | undefined)[];
  readonly merges: readonly string[];
  readonly addsSpacePrefix?: boolean;
}

/** The files of a checkpoint that tell of its tokens. */
export interface VocabularyFiles {
  /** SentencePiece's, tokenizer.model. */
  readonly sentencePiece?: Uint8Array;
  /** tokenizer.json, of Hugging Face's tokenizers. */
  readonly tokenizer?: Json;
  readonly tokenizerConfig?: Json;
  /** added_tokens.json: text → id. */
  readonly addedTokens?: Json;
}

const TOKENS_MAX = 2_000_000;
/** As llama.cpp's converter has it, of tokens that no merge makes. */
const ADDED_SCORE = -1_000;

/** Reads a vocabulary as llama.cpp's convert_hf_to_gguf.py does; where only tokenizer.json is there, also SentencePiece's scores. */
export function vocabularyOf(files: VocabularyFiles): Vocabulary {
  const base = baseOf(files);
  const tokens = [...base.tokens];
  for (const { id, text, special } of addedTokensOf(files)) {
    if (id >= TOKENS_MAX) throw badCheckpoint(`the tokenizer has a token with the id ${id}`);
    tokens[id] = addedToken(text, special ?? isMark(text));
  }
  return { ...base, tokens: Array.from(tokens) };
}

function baseOf({ sentencePiece, tokenizer }: VocabularyFiles): Vocabulary {
  const model = tokenizer && isJson(tokenizer["model"]) ? tokenizer["model"] : undefined;
  const isByteFallback = model?.["byte_fallback"] === true;
  if (tokenizer && model && !isByteFallback && isBytePair(model)) {
    const pre = preTokenizerOf(tokenizer);
    return { model: "gpt2", pre, tokens: vocabOf(model, () => 0), merges: mergesOf(model) };
  }
  if (sentencePiece) return ofSentencePiece(sentencePiece);
  if (!tokenizer || !model) {
    throw badCheckpoint("there is no tokenizer.json and no tokenizer.model among the files");
  }
  if (!isByteFallback || !isBytePair(model)) {
    throw notConvertible(`a tokenizer of the kind ${JSON.stringify(model["type"] ?? null)}`);
  }
  return ofByteFallback(tokenizer, model);
}

/** Older files of tokenizers do not say what they are. */
function isBytePair({ type, merges }: Json): boolean {
  return type === "BPE" || (type === undefined && Array.isArray(merges));
}

function ofSentencePiece(bytes: Uint8Array): Vocabulary {
  const { pieces, trainerSpec, normalizerSpec } = parseSentencePiece(bytes);
  if (pieces.length > TOKENS_MAX) throw badCheckpoint("tokenizer.model has too many pieces");
  if (trainerSpec?.modelType !== SentencePieceModelType.BPE) {
    throw notConvertible("a tokenizer.model that is not of the kind BPE");
  }
  return {
    ...{ model: "llama", pre: "default", merges: [] },
    tokens: pieces.map(({ piece, score, type }) => ({ text: piece, score, type })),
    addsSpacePrefix: normalizerSpec?.addDummyPrefix ?? true,
  };
}

function parseSentencePiece(bytes: Uint8Array) {
  try {
    return fromBinary(SentencePieceModelSchema, bytes);
  } catch {
    throw badCheckpoint("tokenizer.model is no file of SentencePiece");
  }
}

const BYTE_TOKEN = /^<0x[0-9A-F]{2}>$/;

/**
 * SentencePiece's vocabulary in the words of tokenizer.json: the one that is merged first has the highest score, as
 * SentencePiece itself numbers the pieces that it has trained.
 */
function ofByteFallback(tokenizer: Json, model: Json): Vocabulary {
  const scores = new Map<string, number>();
  const merges = mergesOf(model);
  for (const [i, merge] of merges.entries()) {
    const made = merge.replace(" ", "");
    if (!scores.has(made)) scores.set(made, -i);
  }
  const unknown = model["unk_token"];
  const tokens = vocabOf(model, (text) => scores.get(text) ?? -merges.length).map((token) => {
    if (!token) return token;
    if (token.text === unknown) return { ...token, type: TOKEN_TYPES.unknown };
    return BYTE_TOKEN.test(token.text) ? { ...token, type: TOKEN_TYPES.byte } : token;
  });
  const addsSpacePrefix = prependsSpace(tokenizer);
  return { ...{ model: "llama", pre: "default", merges: [] }, tokens, addsSpacePrefix };
}

/** By the normalizer of older files, or the pre-tokenizer of newer ones. */
function prependsSpace({ normalizer, pre_tokenizer }: Json): boolean {
  return partsOf(normalizer, "normalizers")
    .concat(partsOf(pre_tokenizer, "pretokenizers"))
    .some(
      ({ type, prepend_scheme }) =>
        type === "Prepend" || (type === "Metaspace" && (prepend_scheme ?? "always") !== "never"),
    );
}

function vocabOf(model: Json, scoreOf: (text: string) => number): (VocabularyToken | undefined)[] {
  const vocab = isJson(model["vocab"]) ? model["vocab"] : {};
  const tokens: (VocabularyToken | undefined)[] = [];
  for (const [text, id] of Object.entries(vocab)) {
    if (typeof id !== "number" || !Number.isInteger(id) || id < 0 || id >= TOKENS_MAX) {
      throw badCheckpoint(`tokenizer.json gives ${JSON.stringify(text)} no id`);
    }
    tokens[id] = { text, score: scoreOf(text), type: TOKEN_TYPES.normal };
  }
  return tokens;
}

/** As texts, or as pairs in newer files. */
function mergesOf(model: Json): string[] {
  const merges = model["merges"];
  if (!Array.isArray(merges)) throw badCheckpoint("tokenizer.json has no list of merges");
  return merges.map((merge: unknown) => {
    if (typeof merge === "string") return merge;
    if (Array.isArray(merge) && merge.length === 2) return `${merge[0]} ${merge[1]}`;
    throw badCheckpoint("tokenizer.json has a merge that is no pair");
  });
}

interface AddedToken {
  readonly id: number;
  readonly text: string;
  /** Unset where the file does not say. */
  readonly special?: boolean;
}

/** A later one counts more. */
function* addedTokensOf(files: VocabularyFiles): Iterable<AddedToken> {
  for (const [text, id] of Object.entries(files.addedTokens ?? {}))
    yield* added(id, text, undefined);
  const { added_tokens_decoder: decoder } = files.tokenizerConfig ?? {};
  for (const [id, token] of Object.entries(isJson(decoder) ? decoder : {})) {
    if (isJson(token)) yield* added(Number(id), token["content"], token["special"]);
  }
  const { added_tokens: list } = files.tokenizer ?? {};
  for (const token of Array.isArray(list) ? list.filter(isJson) : []) {
    yield* added(token["id"], token["content"], token["special"]);
  }
}

function* added(id: unknown, text: unknown, special: unknown): Iterable<AddedToken> {
  if (typeof id !== "number" || !Number.isInteger(id) || id < 0 || typeof text !== "string") return;
  yield { id, text, ...(typeof special === "boolean" && { special }) };
}

function addedToken(text: string, isControl: boolean): VocabularyToken {
  if (isControl) return { text, score: ADDED_SCORE, type: TOKEN_TYPES.control };
  // In a text they have spaces of their own.
  return { text: text.replaceAll("▁", " "), score: ADDED_SCORE, type: TOKEN_TYPES.userDefined };
}

/** Some makers forget to say that these are no text. */
function isMark(text: string): boolean {
  return /^<[|｜].*[|｜]>$/.test(text) || /^<(start|end)_of_turn>$/.test(text);
}
