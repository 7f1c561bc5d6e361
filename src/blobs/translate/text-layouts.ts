import type { GgufDraft } from "./gguf-draft.ts";

/*
 * Files that Ollama has made for its own engine, and llama.cpp does not load: its names for what llama.cpp calls otherwise, and
 * the towers that see and hear in the same file. What differs for each architecture is what Ollama's own bridge to llama.cpp
 * says of it (https://github.com/ollama/ollama/tree/main/llama/compat, MIT); that bridge changes llama.cpp while it loads, and
 * this makes another file. Left out: metadata that only the end of an answer depends on, and heads that predict further tokens.
 */

/** Makes it what llama.cpp loads as text; false where it is that already. */
type TextLayout = (draft: GgufDraft) => boolean;

/** Everything that is not of the language model. */
const TOWERS = ["v.", "mm.", "a.", "s.", "mtp.", "model.vision_tower."];
const SECTIONS = 4;

/** Whether files of the architecture come in both layouts. */
export function mayNeedText(architecture: unknown): boolean {
  return typeof architecture === "string" && Object.hasOwn(TEXT_LAYOUTS, architecture);
}

export function toText(draft: GgufDraft): boolean {
  return TEXT_LAYOUTS[draft.architecture]?.(draft) ?? false;
}

const TEXT_LAYOUTS: Readonly<Record<string, TextLayout>> = {
  gemma3: (draft) => (draft.tensor("dense.0.weight") ? embeddingGemma(draft) : gemma3(draft)),
  gemma3n,
  gemma4,
  gptoss,
  lfm2,
  olmo3: (draft) => renamed(draft, "olmo2"),
  mistral3,
  glm4moelite,
  qwen25vl: (draft) => {
    renamed(draft, "qwen2vl");
    padSections(draft, "qwen2vl.rope.mrope_section", "qwen2vl.rope.dimension_sections");
    return withoutTowers(draft);
  },
  qwen3vl: qwen3Vision,
  qwen3vlmoe: qwen3Vision,
  qwen35,
  qwen35moe: qwen35,
  qwen3next: (draft) => {
    if (!hasBareSteps(draft)) return false;
    hybridAttention(draft);
    return true;
  },
  llama4: (draft) => hasTowers(draft) && withoutTowers(draft),
  deepseekocr,
  glmocr,
  nemotron_h_moe: nemotron,
  nemotron_h_omni: nemotronOmni,
  bert: snowflake,
};

function gemma3(draft: GgufDraft): boolean {
  const isOurs =
    hasTowers(draft) ||
    draft.has("gemma3.mm.tokens_per_image") ||
    draft.has("gemma3.rope.global.freq_base") ||
    draft.has("gemma3.rope.local.freq_base") ||
    draft.has("tokenizer.ggml.add_padding_token") ||
    draft.has("tokenizer.ggml.add_unknown_token") ||
    !draft.has("gemma3.attention.layer_norm_rms_epsilon");
  if (!isOurs) return false;
  draft.copyKey("gemma3.rope.global.freq_base", "gemma3.rope.freq_base");
  draft.copyKey("gemma3.rope.local.freq_base", "gemma3.rope.freq_base_swa");
  draft.setMissing("gemma3.attention.layer_norm_rms_epsilon", float(1e-6));
  draft.setMissing("gemma3.rope.freq_base", float(1_000_000));
  draft.setMissing("gemma3.rope.freq_base_swa", float(10_000));
  if ((draft.number("gemma3.context_length") ?? 0) >= 131_072) {
    draft.setMissing("gemma3.rope.scaling.type", { type: "string", value: "linear" });
    draft.setMissing("gemma3.rope.scaling.factor", float(8));
  }
  // The words for pictures have no embedding.
  const rows = draft.tensor("token_embd.weight")?.shape[1];
  if (rows !== undefined) shortenVocabulary(draft, rows);
  return withoutTowers(draft);
}

/** It has two layers behind the pooling, which the other architecture's files have too. */
function embeddingGemma(draft: GgufDraft): boolean {
  renamed(draft, "gemma-embedding");
  draft.remove("gemma-embedding.attention.causal");
  draft.remove("gemma-embedding.attention.sliding_window_pattern");
  draft.setMissing("gemma-embedding.rope.freq_base_swa", float(10_000));
  for (const [from, to] of [
    ["dense.0", "dense_2"],
    ["dense.1", "dense_3"],
  ] as const) {
    const [input = 0, output = 0] = draft.tensor(`${from}.weight`)?.shape ?? [];
    draft.set(`gemma-embedding.${to}_feat_in`, whole(input));
    draft.set(`gemma-embedding.${to}_feat_out`, whole(output));
    draft.renameTensor(`${from}.weight`, `${to}.weight`);
  }
  draft.renameTensor("norm.weight", "output_norm.weight");
  return true;
}

const NORMAL = 1;
const BYTE = 6;
/** What ends a turn. */
const GEMMA_ENDS = [1, 106];

function gemma3n(draft: GgufDraft): boolean {
  const words = draft.tensor("token_embd.weight");
  const rows = draft.tensor("per_layer_token_embd.weight")?.shape[1];
  const isLarger = rows !== undefined && words !== undefined && words.shape[1] !== rows;
  if (!isLarger && !hasTowers(draft)) return false;
  if (isLarger) {
    draft.set("tokenizer.ggml.model", { type: "string", value: "llama" });
    const [width = 0, all = 1] = words.shape;
    const parts = words.parts.map((part) =>
      "start" in part
        ? { ...part, end: part.start + ((part.end - part.start) / all) * rows }
        : part,
    );
    draft.put("token_embd.weight", { ...words, shape: [width, rows], parts });
    shortenVocabulary(draft, rows);
    retypeTokens(draft);
    const ends = draft.numbers("tokenizer.ggml.eos_token_ids") ?? [];
    const value = [...new Set([...(ends.length > 0 ? ends : [1]), ...GEMMA_ENDS.slice(1)])];
    draft.set("tokenizer.ggml.eos_token_ids", { type: "int32s", value });
  }
  return withoutTowers(draft);
}

function retypeTokens(draft: GgufDraft): void {
  const types = draft.numbers("tokenizer.ggml.token_type");
  const tokens = draft.strings("tokenizer.ggml.tokens");
  if (!types || !tokens) return;
  const value = types.map((type, i) => {
    const token = tokens[i] ?? "";
    if (/^<0x..>$/.test(token)) return BYTE;
    return token.startsWith("<unused") ? NORMAL : type;
  });
  draft.set("tokenizer.ggml.token_type", { type: "int32s", value });
}

function gemma4(draft: GgufDraft): boolean {
  const isSentencePiece = draft.text("tokenizer.ggml.model") === "llama";
  if (!isSentencePiece && !hasTowers(draft)) return false;
  if (isSentencePiece) draft.set("tokenizer.ggml.model", { type: "string", value: "gemma4" });
  for (let block = 0; block < (draft.number("gemma4.block_count") ?? 0); block++) {
    joinExperts(draft, `blk.${block}`);
    const scale = `blk.${block}.ffn_gate_inp.per_expert_scale`;
    draft.renameTensor(scale, `blk.${block}.ffn_down_exps.scale`);
  }
  return withoutTowers(draft);
}

/** Of each expert the gate, then what goes up, in one tensor. */
function joinExperts(draft: GgufDraft, block: string): void {
  const gate = draft.tensor(`${block}.ffn_gate_exps.weight`);
  const up = draft.tensor(`${block}.ffn_up_exps.weight`);
  const scaled = ["gate", "up"].some(
    (name) =>
      draft.tensor(`${block}.ffn_${name}_exps.scale`) ||
      draft.tensor(`${block}.ffn_${name}_exps.input_scale`),
  );
  const joined = `${block}.ffn_gate_up_exps.weight`;
  if (!gate || !up || scaled || draft.tensor(joined)) return;
  if (gate.typeId !== up.typeId || gate.shape.join() !== up.shape.join()) return;
  const [width = 0, length = 0, experts = 1] = gate.shape;
  const parts = Array.from({ length: experts }, (_, i) => [gate, up].map(expertOf(i, experts)));
  draft.drop(`${block}.ffn_gate_exps.weight`, `${block}.ffn_up_exps.weight`);
  draft.put(joined, { ...gate, shape: [width, 2 * length, experts], parts: parts.flat() });
}

const expertOf =
  (index: number, count: number) =>
  ({ parts: [part] }: NonNullable<ReturnType<GgufDraft["tensor"]>>) => {
    if (!part || !("start" in part)) throw new Error("a tensor of the file has one part");
    const bytes = (part.end - part.start) / count;
    const start = part.start + index * bytes;
    return { ...part, start, end: start + bytes };
  };

function gptoss(draft: GgufDraft): boolean {
  renamed(draft, "gpt-oss");
  const length = draft.tensor("blk.0.ffn_gate_exps.weight")?.shape[1];
  if (length !== undefined) draft.setMissing("gpt-oss.expert_feed_forward_length", whole(length));
  draft.setMissing("gpt-oss.rope.scaling.type", { type: "string", value: "yarn" });
  draft.set("tokenizer.ggml.pre", { type: "string", value: "gpt-4o" });
  draft.renameTensors(".attn_out", ".attn_output");
  draft.renameTensors(".attn_sinks", ".attn_sinks.weight");
  draft.renameTensors(".ffn_norm", ".post_attention_norm");
  return true;
}

function lfm2(draft: GgufDraft): boolean {
  if (!draft.tensor("output_norm.weight") || draft.tensor("token_embd_norm.weight")) return false;
  draft.renameTensor("output_norm.weight", "token_embd_norm.weight");
  draft.set("tokenizer.ggml.pre", { type: "string", value: "lfm2" });
  const length = draft.tensor("blk.0.ffn_gate.weight")?.shape[1];
  if (length !== undefined) draft.set("lfm2.feed_forward_length", whole(length));
  return true;
}

function mistral3(draft: GgufDraft): boolean {
  const names = [
    ["rope.scaling.beta_fast", "rope.scaling.yarn_beta_fast"],
    ["rope.scaling.beta_slow", "rope.scaling.yarn_beta_slow"],
    ["rope.scaling.mscale_all_dim", "rope.scaling.yarn_log_multiplier"],
    ["rope.scaling_beta", "attention.temperature_scale"],
  ] as const;
  if (!hasTowers(draft) && !names.some(([from]) => draft.has(`mistral3.${from}`))) return false;
  for (const [from, to] of names) draft.copyKey(`mistral3.${from}`, `mistral3.${to}`);
  const pre = draft.text("tokenizer.ggml.pre") ?? "";
  if (pre === "" || pre === "default") {
    draft.set("tokenizer.ggml.pre", { type: "string", value: "tekken" });
  }
  return withoutTowers(draft);
}

/** It is DeepSeek's second model, told of as one without its compressed keys and values. */
function glm4moelite(draft: GgufDraft): boolean {
  const headLength = draft.number("glm4moelite.attention.key_length");
  renamed(draft, "deepseek2");
  const own = (key: string): string => `deepseek2.${key}`;
  draft.set(own("attention.head_count_kv"), whole(1));
  const rank = draft.number(own("attention.kv_lora_rank"));
  const turned = draft.number(own("rope.dimension_count"));
  if (rank !== undefined && turned !== undefined) {
    draft.set(own("attention.key_length"), whole(rank + turned));
    draft.set(own("attention.value_length"), whole(rank));
  }
  if (headLength !== undefined) {
    draft.set(own("attention.key_length_mla"), whole(headLength));
    draft.set(own("attention.value_length_mla"), whole(headLength));
  }
  draft.setMissing(own("expert_group_count"), whole(1));
  draft.setMissing(own("expert_group_used_count"), whole(1));
  draft.set("tokenizer.ggml.pre", { type: "string", value: "glm4" });
  const [, turnEnd, messageEnd] = draft.numbers("tokenizer.ggml.eos_token_ids") ?? [];
  if (turnEnd !== undefined) draft.setMissing("tokenizer.ggml.eot_token_id", whole(turnEnd));
  if (messageEnd !== undefined) draft.setMissing("tokenizer.ggml.eom_token_id", whole(messageEnd));
  return true;
}

/** How the 64 pairs of a head of 128 are shared out among time, height and width. */
const QWEN3_SECTIONS = [24, 20, 20, 0];

function qwen3Vision(draft: GgufDraft): boolean {
  const own = (key: string): string => `${draft.architecture}.${key}`;
  if (draft.has(own("rope.dimension_sections")) && !hasTowers(draft)) return false;
  const sections = { type: "int32s", value: QWEN3_SECTIONS } as const;
  draft.setMissing(own("rope.dimension_sections"), sections);
  const deep = draft.numbers(own("vision.deepstack_visual_indexes")) ?? [];
  draft.setMissing(own("n_deepstack_layers"), whole(deep.length));
  return withoutTowers(draft);
}

function qwen35(draft: GgufDraft): boolean {
  const own = (key: string): string => `${draft.architecture}.${key}`;
  const marks = ["vision.block_count", "image_token_id", "ssm.v_head_reordered"];
  const isOurs =
    hasTowers(draft) ||
    [...marks, "rope.mrope_interleaved"].some((key) => draft.has(own(key))) ||
    hasBareSteps(draft);
  if (!isOurs) return false;
  hybridAttention(draft);
  padSections(draft, own("rope.dimension_sections"), own("rope.dimension_sections"));
  return withoutTowers(draft);
}

const BARE_STEP = /\.ssm_dt$/;
const hasBareSteps = (draft: GgufDraft): boolean =>
  draft.tensorNames().some((name) => BARE_STEP.test(name));

/** One number where each layer has its own; those without attention have none. */
function hybridAttention(draft: GgufDraft): void {
  const key = `${draft.architecture}.attention.head_count_kv`;
  const counts = draft.numbers(key);
  if (counts) draft.set(key, whole(Math.max(...counts) || 2));
  for (const name of draft.tensorNames()) {
    if (BARE_STEP.test(name)) draft.renameTensor(name, `${name}.bias`);
  }
}

function deepseekocr(draft: GgufDraft): boolean {
  renamed(draft, "deepseek2-ocr");
  const own = (key: string): string => `deepseek2-ocr.${key}`;
  draft.setMissing(own("attention.layer_norm_rms_epsilon"), float(1e-6));
  const inner = draft.tensor("blk.1.ffn_down_exps.weight")?.shape[0];
  if (inner !== undefined) draft.setMissing(own("expert_feed_forward_length"), whole(inner));
  const length = draft.number(own("expert_feed_forward_length"));
  const shared = draft.tensor("blk.1.ffn_down_shexp.weight")?.shape[0];
  if (length && shared !== undefined) {
    draft.setMissing(own("expert_shared_count"), whole(Math.floor(shared / length)));
  }
  return withoutTowers(draft);
}

function glmocr(draft: GgufDraft): boolean {
  renamed(draft, "glm4");
  padSections(draft, "glm4.rope.mrope_section", "glm4.rope.dimension_sections");
  const headLength = draft.number("glm4.attention.key_length");
  if (headLength !== undefined) draft.setMissing("glm4.rope.dimension_count", whole(headLength));
  draft.set("tokenizer.ggml.pre", { type: "string", value: "chatglm-bpe" });
  draft.renameTensors(".attn_out.", ".attn_output.");
  draft.renameTensors(".post_attn_norm.", ".post_attention_norm.");
  draft.renameTensors(".post_ffn_norm.", ".post_ffw_norm.");
  withoutTowers(draft);
  for (let block = 0; block < (draft.number("glm4.block_count") ?? 0); block++) {
    const gate = draft.tensor(`blk.${block}.ffn_gate.weight`);
    const up = draft.tensor(`blk.${block}.ffn_up.weight`);
    if (!gate || !up) continue;
    const [width = 0, length = 0] = up.shape;
    draft.drop(`blk.${block}.ffn_gate.weight`);
    const parts = [...gate.parts, ...up.parts];
    draft.put(`blk.${block}.ffn_up.weight`, { ...up, shape: [width, 2 * length], parts });
  }
  return true;
}

function nemotron(draft: GgufDraft): boolean {
  const isLatent = draft.tensorNames().find((name) => name.endsWith(".ffn_latent_in.weight"));
  if (isLatent === undefined && !draft.hasTensors("mtp.")) return false;
  const size = isLatent && draft.tensor(isLatent)?.shape[1];
  if (size) draft.setMissing("nemotron_h_moe.moe_latent_size", whole(size));
  draft.renameTensors(".ffn_latent_in", ".ffn_latent_down");
  draft.renameTensors(".ffn_latent_out", ".ffn_latent_up");
  return withoutTowers(draft);
}

function nemotronOmni(draft: GgufDraft): boolean {
  const hasExperts = ["expert_count", "expert_used_count"].some(
    (key) => (draft.number(`nemotron_h_omni.${key}`) ?? 0) > 0,
  );
  renamed(draft, hasExperts ? "nemotron_h_moe" : "nemotron_h");
  if (hasExperts) nemotron(draft);
  return withoutTowers(draft);
}

/** Bytes that some files of Snowflake's second model have as a list of the letters of their base64. */
function snowflake(draft: GgufDraft): boolean {
  const key = "tokenizer.ggml.precompiled_charsmap";
  const letters = draft.strings(key);
  if (draft.text("tokenizer.ggml.model") !== "t5" || !letters) return false;
  if (letters.some((letter) => letter.length !== 1)) return false;
  draft.set(key, { type: "uint8s", value: [...Buffer.from(letters.join(""), "base64")] });
  return true;
}

/** An architecture that llama.cpp knows by another name, and so all of its keys. */
function renamed(draft: GgufDraft, name: string): true {
  draft.renameKeys(`${draft.architecture}.`, `${name}.`);
  draft.set("general.architecture", { type: "string", value: name });
  return true;
}

function hasTowers(draft: GgufDraft): boolean {
  return TOWERS.some((prefix) => draft.hasTensors(prefix));
}

function withoutTowers(draft: GgufDraft): true {
  draft.drop(...TOWERS);
  return true;
}

/** Three numbers where llama.cpp has four. */
function padSections(draft: GgufDraft, from: string, to: string): void {
  const sections = draft.numbers(from);
  if (!sections || sections.length >= SECTIONS) return;
  const value = [...sections, ...Array(SECTIONS - sections.length).fill(0)];
  draft.set(to, { type: "int32s", value });
}

function shortenVocabulary(draft: GgufDraft, rows: number): void {
  for (const key of ["tokens", "scores", "token_type"]) {
    draft.shorten(`tokenizer.ggml.${key}`, rows);
  }
}

export function whole(value: number) {
  return { type: "uint32", value } as const;
}

export function float(value: number) {
  return { type: "float32", value } as const;
}
