import type { GgufKeys } from "../convert/gguf-head.ts";
import { type DraftTensor, F32, GgufDraft } from "./gguf-draft.ts";
import { float, whole } from "./text-layouts.ts";
import { isConvertible } from "./translated-source.ts";

/** A projector as llama.cpp's mtmd loads it (tools/mtmd/clip.cpp), of what sees and hears in a file of Ollama's own. */
interface ProjectorLayout {
  readonly type: string;
  /** Of the model's own keys of its vision, under `clip.vision.`. */
  readonly keys: Readonly<Record<string, string>>;
  /** Where the file does not say. */
  readonly defaults: GgufKeys;
  readonly activation: "clip.use_gelu" | "clip.use_silu";
  /** What is in a tensor's name, and what llama.cpp has for it, one after the other. */
  readonly names: readonly (readonly [from: string, to: string])[];
  /** Before the names are changed. */
  readonly prepare?: (clip: GgufDraft, model: GgufDraft) => void;
}

const HALVES = [0.5, 0.5, 0.5];
const CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073];
const CLIP_DEVIATION = [0.26862954, 0.26130258, 0.27577711];
/** Convolutions take these only. */
const FLOATS = ["v.patch_embd.weight", "v.patch_embd.weight.1", "v.position_embd.weight"];

const COMMON_KEYS = {
  block_count: "block_count",
  embedding_length: "embedding_length",
  feed_forward_length: "feed_forward_length",
  "attention.head_count": "attention.head_count",
  "attention.layer_norm_epsilon": "attention.layer_norm_epsilon",
  image_size: "image_size",
  patch_size: "patch_size",
  num_channels: "num_channels",
  spatial_merge_size: "spatial_merge_size",
} as const;

const QWEN3: ProjectorLayout = {
  type: "qwen3vl_merger",
  keys: {
    ...COMMON_KEYS,
    temporal_patch_size: "temporal_patch_size",
    "rope.freq_base": "rope.freq_base",
    image_mean: "image_mean",
    image_std: "image_std",
    shortest_edge: "image_min_pixels",
    longest_edge: "image_max_pixels",
  },
  defaults: keysOf({
    num_channels: whole(3),
    temporal_patch_size: whole(2),
    "rope.freq_base": float(10_000),
    "attention.layer_norm_epsilon": float(1e-6),
    image_min_pixels: whole(65_536),
    image_max_pixels: whole(16_777_216),
    ...normalisation(HALVES, HALVES),
  }),
  activation: "clip.use_gelu",
  names: [
    ["v.patch_embed.bias", "v.patch_embd.bias"],
    ["v.pos_embed", "v.position_embd"],
    ["v.merger.norm", "v.post_ln"],
    ["v.merger.linear_fc1", "mm.0"],
    ["v.merger.linear_fc2", "mm.2"],
    [".mlp.linear_fc1", ".ffn_up"],
    [".mlp.linear_fc2", ".ffn_down"],
    [".linear_fc1", ".fc1"],
    [".linear_fc2", ".fc2"],
    [".norm1", ".ln1"],
    [".norm2", ".ln2"],
  ],
  prepare: (clip, model) => {
    const blocks = model.number(`${model.architecture}.vision.block_count`) ?? 0;
    const deep = model.numbers(`${model.architecture}.vision.deepstack_visual_indexes`) ?? [];
    const isDeep = Array.from({ length: blocks }, (_, block) => deep.includes(block));
    clip.set("clip.vision.is_deepstack_layers", { type: "bools", value: isDeep });
    // Each by the block that it follows, the last first: so none takes another's name.
    for (const [i, block] of [...deep.entries()].reverse()) {
      clip.renameTensors(`v.deepstack_merger.${i}.`, `v.deepstack.${block}.`);
    }
    for (let block = 0; block < blocks; block++) joinAttention(clip, `v.blk.${block}`);
    splitPatches(clip);
    const [width, positions] = clip.tensor("v.pos_embed.weight")?.shape ?? [];
    const patch = clip.number("clip.vision.patch_size");
    if (width !== undefined && positions !== undefined && patch !== undefined) {
      clip.setMissing("clip.vision.image_size", whole(Math.floor(Math.sqrt(positions)) * patch));
    }
    setFeedForward(clip, "v.blk.0.mlp.linear_fc1.weight");
  },
};

const LAYOUTS: Readonly<Record<string, ProjectorLayout>> = {
  gemma3: {
    type: "gemma3",
    keys: COMMON_KEYS,
    defaults: keysOf(normalisation(HALVES, HALVES)),
    activation: "clip.use_gelu",
    names: [
      ["v.patch_embedding", "v.patch_embd"],
      ["v.position_embedding", "v.position_embd"],
      ["v.post_layernorm", "v.post_ln"],
      [".layer_norm1", ".ln1"],
      [".layer_norm2", ".ln2"],
      [".attn_output", ".attn_out"],
      // The other way round than their names, in llama.cpp too.
      [".mlp.fc1", ".ffn_down"],
      [".mlp.fc2", ".ffn_up"],
      ["mm.mm_input_projection", "mm.input_projection"],
      ["mm.mm_soft_emb_norm", "mm.soft_emb_norm"],
    ],
  },
  mistral3: {
    type: "pixtral",
    keys: { ...COMMON_KEYS },
    defaults: keysOf({
      "attention.layer_norm_epsilon": float(1e-5),
      ...normalisation(CLIP_MEAN, CLIP_DEVIATION),
    }),
    activation: "clip.use_silu",
    names: [
      ["v.patch_conv", "v.patch_embd"],
      ["v.encoder_norm", "v.pre_ln"],
      [".attn_output", ".attn_out"],
      [".attn_norm", ".ln1"],
      [".ffn_norm", ".ln2"],
      ["mm.linear_1", "mm.1"],
      ["mm.linear_2", "mm.2"],
      ["mm.patch_merger.merging_layer", "mm.patch_merger"],
      ["mm.norm", "mm.input_norm"],
    ],
    prepare: (clip, model) => {
      clip.copyKey("mistral3.spatial_merge_size", "clip.vision.spatial_merge_size", model);
      clip.copyKey("mistral3.vision.rope.freq_base", "clip.rope.freq_base", model);
      // Added behind each row of a picture; the embedding is among the model's, packed with them, and none is none.
      const width = model.number("mistral3.embedding_length") ?? 0;
      const parts = [{ zeroBytes: 4 * width }];
      clip.put("v.token_embd.img_break", { typeId: F32, shape: [width], parts });
      const heads = model.number("mistral3.vision.attention.head_count") ?? 1;
      for (let block = 0; block < (model.number("mistral3.vision.block_count") ?? 0); block++) {
        for (const name of ["attn_q", "attn_k"]) orderHeads(clip, `v.blk.${block}.${name}`, heads);
      }
    },
  },
  qwen25vl: {
    type: "qwen2.5vl_merger",
    keys: { ...COMMON_KEYS, window_size: "window_size" },
    defaults: keysOf({
      n_wa_pattern: whole(8),
      image_size: whole(560),
      ...normalisation(CLIP_MEAN, CLIP_DEVIATION),
    }),
    activation: "clip.use_silu",
    names: [
      ["v.merger.ln_q", "v.post_ln"],
      ["v.merger.mlp.0", "mm.0"],
      ["v.merger.mlp.2", "mm.2"],
      ["v.patch_embd_0.weight", "v.patch_embd.weight"],
      ["v.patch_embd_1.weight", "v.patch_embd.weight.1"],
    ],
    prepare: (clip, model) => {
      const [first] = model.numbers("qwen25vl.vision.fullatt_block_indexes") ?? [];
      if (first !== undefined) clip.set("clip.vision.n_wa_pattern", whole(first + 1));
      setFeedForward(clip, "v.blk.0.ffn_up.weight");
    },
  },
  qwen3vl: QWEN3,
  qwen3vlmoe: QWEN3,
  qwen35: QWEN3,
  qwen35moe: QWEN3,
  gemma4: {
    type: "gemma4v",
    keys: COMMON_KEYS,
    defaults: keysOf({ image_size: whole(224), ...normalisation([0, 0, 0], [1, 1, 1]) }),
    activation: "clip.use_gelu",
    names: [],
    prepare: (clip) => {
      clip.set("clip.vision.projector_type", { type: "string", value: "gemma4v" });
      // Of what hears, which is left out.
      clip.drop("mm.a.");
    },
  },
  llama4: {
    type: "llama4",
    keys: { ...COMMON_KEYS, layer_norm_epsilon: "attention.layer_norm_epsilon" },
    defaults: keysOf(normalisation(HALVES, HALVES)),
    activation: "clip.use_gelu",
    names: [
      ["v.positional_embedding_vlm", "v.position_embd.weight"],
      ["v.vision_adapter.mlp.fc1", "mm.model.mlp.1"],
      ["v.vision_adapter.mlp.fc2", "mm.model.mlp.2"],
      ["mm.linear_1", "mm.model.fc"],
      ["v.class_embedding", "v.class_embd"],
      ["v.layernorm_post", "v.post_ln"],
      ["v.layernorm_pre", "v.pre_ln"],
      ["v.patch_embedding", "v.patch_embd"],
      [".attn_output", ".attn_out"],
      [".attn_norm", ".ln1"],
      [".ffn_norm", ".ln2"],
      [".mlp.fc1", ".ffn_up"],
      [".mlp.fc2", ".ffn_down"],
    ],
    prepare: (clip, model) => {
      const ratio = model.number("llama4.vision.pixel_shuffle_ratio") ?? 0;
      const factor = ratio > 0 ? Math.round(1 / ratio) || 2 : 2;
      clip.set("clip.vision.projector.scale_factor", whole(factor));
      clip.set("clip.vision.projector_type", { type: "string", value: "llama4" });
    },
  },
};

/** Of what sees in the file; undefined where there is nothing, or nothing that we know how to tell llama.cpp of. */
export function toProjector(model: GgufDraft): GgufDraft | undefined {
  const layout = LAYOUTS[model.architecture];
  if (!layout || !model.hasTensors("v.")) return undefined;
  const clip = GgufDraft.empty();
  clip.set("general.architecture", { type: "string", value: "clip" });
  clip.set("general.type", { type: "string", value: "mmproj" });
  model.copyTensors(clip, ["v.", "mm."]);
  const own = `${model.architecture}.`;
  for (const [from, to] of Object.entries(layout.keys)) {
    clip.copyKey(`${own}vision.${from}`, `clip.vision.${to}`, model);
  }
  // What comes out of it goes into the language model.
  clip.copyKey(`${own}embedding_length`, "clip.vision.projection_dim", model);
  clip.set("clip.has_vision_encoder", { type: "bool", value: true });
  clip.set(layout.activation, { type: "bool", value: true });
  clip.set("clip.projector_type", { type: "string", value: layout.type });
  layout.prepare?.(clip, model);
  for (const [key, value] of layout.defaults) clip.setMissing(key, value);
  for (const [from, to] of layout.names) clip.renameTensors(from, to);
  for (const name of FLOATS) promote(clip, name);
  return clip;
}

/** Those of LLaVA and its kind from before projectors had types; false for every other. */
export function nameOldProjector(draft: GgufDraft): boolean {
  const isUnnamed =
    draft.architecture === "clip" &&
    draft.number("clip.has_vision_encoder") === 1 &&
    !draft.has("clip.projector_type") &&
    !draft.has("clip.vision.projector_type");
  if (isUnnamed) draft.set("clip.projector_type", { type: "string", value: "mlp" });
  return isUnnamed;
}

function keysOf(values: Readonly<Record<string, Parameters<GgufDraft["set"]>[1]>>): GgufKeys {
  return new Map(Object.entries(values).map(([key, value]) => [`clip.vision.${key}`, value]));
}

function normalisation(mean: readonly number[], deviation: readonly number[]) {
  return {
    image_mean: { type: "float32s", value: mean },
    image_std: { type: "float32s", value: deviation },
  } as const;
}

/** As the tensor says it where the file does not. */
function setFeedForward(clip: GgufDraft, name: string): void {
  const length = clip.tensor(name)?.shape[1];
  if (length !== undefined) clip.setMissing("clip.vision.feed_forward_length", whole(length));
}

function promote(clip: GgufDraft, name: string): void {
  const tensor = clip.tensor(name);
  if (tensor && isConvertible(tensor.typeId)) clip.put(name, { ...tensor, typeId: F32 });
}

/** Queries, keys and values in one tensor; they may be packed in different ways. */
function joinAttention(clip: GgufDraft, block: string): void {
  for (const kind of ["weight", "bias"]) {
    const names = ["attn_q", "attn_k", "attn_v"].map((name) => `${block}.${name}.${kind}`);
    const tensors = names.flatMap((name) => clip.tensor(name) ?? []);
    const [first] = tensors;
    if (!first || tensors.length < names.length) continue;
    if (!tensors.every(({ typeId }) => isConvertible(typeId))) continue;
    const rows = first.shape.slice(0, -1);
    const length = tensors.reduce((sum, { shape }) => sum + (shape.at(-1) ?? 0), 0);
    clip.drop(...names);
    clip.put(`${block}.attn_qkv.${kind}`, {
      typeId: F32,
      shape: [...rows, length],
      parts: tensors.flatMap(({ parts }) => parts),
    });
  }
}

/** Of types that are not packed in blocks. */
const VALUE_BYTES: Readonly<Record<number, number>> = { 0: 4, 1: 2, 30: 2 };

/**
 * The patches of two frames are in one tensor, [width, height, frame, output × channel], and become one for each frame,
 * [width, height, channel, output].
 */
function splitPatches(clip: GgufDraft): void {
  const name = "v.patch_embed.weight";
  const patches = clip.tensor(name);
  const [part] = patches?.parts ?? [];
  const valueBytes = VALUE_BYTES[patches?.typeId ?? -1];
  if (!patches || !valueBytes || !part || !("start" in part)) return;
  const [width = 0, height = 0, frames = 0, packed = 0] = patches.shape;
  const channels = clip.number("clip.vision.num_channels") ?? 3;
  if (frames !== 2 || packed % channels !== 0) return;
  const bytes = width * height * valueBytes;
  const ofFrame = (frame: number): DraftTensor => ({
    typeId: F32,
    shape: [width, height, channels, packed / channels],
    parts: Array.from({ length: packed }, (_, i) => {
      const start = part.start + (i * frames + frame) * bytes;
      return { ...part, start, end: start + bytes };
    }),
  });
  clip.drop(name);
  clip.put("v.patch_embd.weight", ofFrame(0));
  clip.put("v.patch_embd.weight.1", ofFrame(1));
}

function orderHeads(clip: GgufDraft, name: string, heads: number): void {
  const tensor = clip.tensor(`${name}.weight`);
  if (!tensor || (tensor.shape[1] ?? 0) % heads !== 0) return;
  clip.put(`${name}.weight`, { ...tensor, heads });
}
