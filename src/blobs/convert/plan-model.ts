import type { Waiting } from "../../core/ports.ts";
import { alignUp } from "../gguf.ts";
import type { GgufFacts } from "../gguf-facts.ts";
import { type Architecture, architectureOf, placeOf, shapeKeys } from "./architectures.ts";
import { Checkpoint, type CheckpointFile } from "./checkpoint.ts";
import { badCheckpoint } from "./checkpoint-error.ts";
import {
  formatGgufHead,
  GGUF_ALIGNMENT,
  type GgufTyped,
  type HeadTensor,
  type TensorType,
  tensorBytes,
} from "./gguf-head.ts";
import { type AdapterBase, type ModelShape, modelShapeOf } from "./model-shape.ts";
import { type MadeTensor, ropePartsOf } from "./rope.ts";
import type { StoredTensor } from "./safetensors.ts";
import { specialTokenKeys } from "./special-tokens.ts";
import { TOKEN_TYPES, type Vocabulary, type VocabularyToken, vocabularyOf } from "./vocabulary.ts";

/** How the data of a tensor come from those of the checkpoint. */
export interface TensorSource {
  /** One after the other: the experts of a layer are one tensor. */
  readonly stored: readonly StoredTensor[];
  /** Numbers that no file has. */
  readonly values?: readonly number[];
  /** Into how many heads the rows are cut, whose halves are interleaved. */
  readonly heads?: number;
  /** Added to each value. */
  readonly shift?: number;
}

export interface PlannedTensor extends HeadTensor {
  readonly source: TensorSource;
}

/** A GGUF file that is to be: its head, and how the data after it are made. It can be handed from thread to thread. */
export interface PlannedGguf {
  readonly facts: GgufFacts;
  readonly head: Uint8Array;
  readonly tensors: readonly PlannedTensor[];
  readonly sizeBytes: number;
  /** Of a model: for an adapter that comes with it. */
  readonly shape?: AdapterBase;
}

/** llama.h `enum llama_ftype`. */
const FILE_TYPES = { F16: 1, BF16: 32 } as const;
const QUANTIZATION_VERSION = 2;
const PAD_SCORE = -10_000;
/** The largest models' have 16 MB. */
const HEAD_BYTES_MAX = 256 * 1024 ** 2;

/** Plans the GGUF file of a model as Hugging Face's transformers save it, as llama.cpp's convert_hf_to_gguf.py writes one. */
export async function planModel(
  files: readonly CheckpointFile[],
  o: Waiting,
): Promise<PlannedGguf> {
  const checkpoint = new Checkpoint(files, o);
  const config = await checkpoint.json("config.json");
  const shape = modelShapeOf(config);
  const architecture = architectureOf(shape);
  const rope = ropePartsOf(shape);
  const tensors = [
    ...plannedTensors(await checkpoint.tensors(), architecture, shape),
    ...rope.tensors.map(madeTensor),
  ];
  const rows = tensors.find(({ name }) => name === "token_embd.weight")?.shape[1];
  if (rows === undefined) throw badCheckpoint("the files hold no vectors of words (embed_tokens)");
  const special = await checkpoint.special(config);
  const vocabulary = fitted(vocabularyOf(special), rows);
  const template = await checkpoint.chatTemplate(special.tokenizerConfig);
  const type = tensors.some((tensor) => tensor.type === "BF16") ? "BF16" : "F16";
  const keys = new Map<string, GgufTyped>([
    ["general.architecture", { type: "string", value: architecture.name }],
    ["general.type", { type: "string", value: "model" }],
    ["general.file_type", { type: "uint32", value: FILE_TYPES[type] }],
    ["general.quantization_version", { type: "uint32", value: QUANTIZATION_VERSION }],
    ...shapeKeys(architecture, shape),
    ...rope.keys.map(([key, value]) => [`${architecture.name}.${key}`, value] as const),
    ...vocabularyKeys(vocabulary),
    ...specialTokenKeys(special, vocabulary),
    ...(template
      ? [["tokenizer.chat_template", { type: "string", value: template }] as const]
      : []),
  ]);
  const { name } = architecture;
  const planned = plannedGguf(keys, tensors, {
    architecture: name,
    quantization: type,
    contextLength: shape.max_position_embeddings ?? undefined,
    embeddingLength: shape.hidden_size,
    chatTemplate: template,
  });
  const { num_attention_heads: heads, keyValueHeads, headLength } = shape;
  return { ...planned, shape: { architecture: name, heads, keyValueHeads, headLength } };
}

/** The head, and the facts of it. */
export function plannedGguf(
  keys: ReadonlyMap<string, GgufTyped>,
  tensors: readonly PlannedTensor[],
  known: {
    readonly architecture: string;
    readonly quantization: string;
    readonly contextLength?: number | undefined;
    readonly embeddingLength?: number | undefined;
    readonly chatTemplate?: string | undefined;
  },
): PlannedGguf {
  const head = formatGgufHead(keys, tensors);
  const { contextLength, embeddingLength, chatTemplate } = known;
  return {
    facts: {
      ...{ architecture: known.architecture, quantization: known.quantization },
      parameterCount: tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0),
      ...(contextLength !== undefined && { contextLength }),
      ...(embeddingLength !== undefined && { embeddingLength }),
      ...(chatTemplate !== undefined && { chatTemplate }),
      ...{ pooling: false, vision: false, audio: false, splitCount: 1 },
    },
    head,
    tensors,
    sizeBytes: tensors.reduce(
      (sum, tensor) => sum + alignUp(tensorBytes(tensor), GGUF_ALIGNMENT),
      head.length,
    ),
  };
}

function plannedTensors(
  stored: readonly StoredTensor[],
  architecture: Architecture,
  shape: ModelShape,
): PlannedTensor[] {
  const single: PlannedTensor[] = [];
  const experts = new Map<string, StoredTensor[]>();
  const seen = new Map<string, string>();
  for (const tensor of stored) {
    const place = placeOf(architecture, tensor.name);
    if (!place) continue;
    const { name, expert } = place;
    const id = expert === undefined ? name : `${name} ${expert}`;
    const other = seen.get(id);
    if (other) throw badCheckpoint(`${other} and ${tensor.name} are the same tensor`);
    seen.set(id, tensor.name);
    if (expert === undefined) single.push(plannedTensor(name, tensor, architecture, shape));
    else experts.set(name, withExpert(experts.get(name) ?? [], expert, tensor));
  }
  return [...single, ...[...experts].map(([name, parts]) => expertsTensor(name, parts, shape))];
}

function plannedTensor(
  name: string,
  stored: StoredTensor,
  { turnsNeighbours, normShift }: Architecture,
  shape: ModelShape,
): PlannedTensor {
  const isNorm = /_norm\.weight$/.test(name);
  const part = /\.attn_([qk])\.(weight|bias)$/.exec(name)?.[1];
  const heads = part === "q" ? shape.num_attention_heads : shape.keyValueHeads;
  if (part && turnsNeighbours) checkHeads(stored, heads, shape.headLength);
  return {
    name,
    type: typeOf(name, stored),
    shape: stored.shape.toReversed(),
    source: {
      stored: [stored],
      ...(part && turnsNeighbours && { heads }),
      ...(isNorm && normShift && { shift: normShift }),
    },
  };
}

/** Each head's rows are put into another order, and so read at once. */
export function checkHeads(
  { name, shape, data }: StoredTensor,
  heads: number,
  length: number,
): void {
  if (shape[0] !== heads * length || length % 2 !== 0) {
    throw badCheckpoint(`the tensor ${name} has not ${heads} heads of ${length} rows`);
  }
  if ((data.end - data.start) / heads > HEAD_BYTES_MAX) {
    throw badCheckpoint(`a head of the tensor ${name} has more than ${HEAD_BYTES_MAX} bytes`);
  }
}

/** Vectors stay exact, and so does what chooses the experts; the rest keeps its type, or becomes F16 as Ollama makes it. */
function typeOf(name: string, { type, shape }: StoredTensor): TensorType {
  if (shape.length < 2 || name.endsWith(".ffn_gate_inp.weight")) return "F32";
  return type === "BF16" ? "BF16" : "F16";
}

function withExpert(parts: StoredTensor[], expert: number, tensor: StoredTensor): StoredTensor[] {
  parts[expert] = tensor;
  return parts;
}

function expertsTensor(
  name: string,
  parts: readonly (StoredTensor | undefined)[],
  shape: ModelShape,
): PlannedTensor {
  const count = shape.num_local_experts ?? shape.num_experts ?? 0;
  const stored = Array.from(parts).filter((part) => part !== undefined);
  const [first] = stored;
  if (!first || stored.length !== count || parts.length !== count) {
    throw badCheckpoint(`${name} has ${stored.length} experts and config.json promises ${count}`);
  }
  const differs = stored.find(
    ({ shape: other, type }) => type !== first.type || String(other) !== String(first.shape),
  );
  if (differs) throw badCheckpoint(`${first.name} and ${differs.name} differ in shape or type`);
  return {
    name,
    type: typeOf(name, first),
    shape: [...first.shape.toReversed(), count],
    source: { stored },
  };
}

function madeTensor({ name, values }: MadeTensor): PlannedTensor {
  return { name, type: "F32", shape: [values.length], source: { stored: [], values } };
}

interface FittedVocabulary extends Vocabulary {
  readonly tokens: readonly VocabularyToken[];
}

/** As many tokens as the model has vectors: those that it lacks are padding, and for those beyond it has none. */
function fitted(vocabulary: Vocabulary, rows: number): FittedVocabulary {
  const pad = (id: number): VocabularyToken => ({
    text: `[PAD${id}]`,
    score: PAD_SCORE,
    type: TOKEN_TYPES.unused,
  });
  const tokens = Array.from({ length: rows }, (_, id) => vocabulary.tokens[id] ?? pad(id));
  return { ...vocabulary, tokens };
}

function vocabularyKeys(fitted: FittedVocabulary): (readonly [key: string, value: GgufTyped])[] {
  const { model, pre, tokens: all, merges, addsSpacePrefix } = fitted;
  return [
    ["tokenizer.ggml.model", { type: "string", value: model }],
    ["tokenizer.ggml.pre", { type: "string", value: pre }],
    ["tokenizer.ggml.tokens", { type: "strings", value: all.map(({ text }) => text) }],
    ["tokenizer.ggml.token_type", { type: "int32s", value: all.map(({ type }) => type) }],
    ...(model === "llama"
      ? [
          [
            "tokenizer.ggml.scores",
            { type: "float32s", value: all.map(({ score }) => score) },
          ] as const,
        ]
      : [["tokenizer.ggml.merges", { type: "strings", value: merges }] as const]),
    ...(addsSpacePrefix === undefined
      ? []
      : [["tokenizer.ggml.add_space_prefix", { type: "bool", value: addsSpacePrefix }] as const]),
  ];
}
