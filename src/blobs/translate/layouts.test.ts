import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import t, { type Test } from "tap";
import { ggufFile, key, tensor, value } from "../../../test/fixtures/gguf-file.ts";
import { bool, float, type Shape } from "../../../test/fixtures/projector-file.ts";
import { tempFolder } from "../../../test/fixtures/temp-folder.ts";
import { readGguf } from "../gguf.ts";
import { tensorBytes } from "../gguf-types.ts";
import { GgufDraft } from "./gguf-draft.ts";
import { nameOldProjector, toProjector } from "./projector-layouts.ts";
import { toText } from "./text-layouts.ts";
import { translatedChunks } from "./translated-source.ts";

const o = { signal: new AbortController().signal };
const F16 = 1;
const Q8_0 = 8;

type Value = number | string | readonly number[] | readonly string[];

function bytesOf(from: Value): Buffer {
  if (typeof from === "string") return value.text(from);
  if (typeof from === "number") return Number.isInteger(from) ? value.uint32(from) : float(from);
  const isText = (list: readonly (number | string)[]): list is readonly string[] =>
    typeof list[0] === "string";
  return isText(from) ? value.texts(from) : value.uint32s(from);
}

type Typed = Shape | readonly [...Shape, { readonly type: number }];

/** A file of these keys and tensors; each byte of its data is one more than that before it. */
function fileOf(t: Test, keys: Readonly<Record<string, Value>>, shapes: readonly Typed[]): string {
  let offset = 0;
  const entries = shapes.map((typed) => {
    const [name, ...rest] = typed as unknown as readonly [string, ...unknown[]];
    const shape = rest.filter((size): size is number => typeof size === "number");
    const { type } = { type: 0, ...(rest.find((last) => typeof last === "object") as object) };
    const entry = tensor(name, shape, type, offset);
    offset += Math.ceil((tensorBytes(type, shape) ?? 0) / 32) * 32;
    return entry;
  });
  const head = ggufFile({
    keys: Object.entries(keys).map(([name, each]) => key(name, bytesOf(each))),
    tensors: entries,
  });
  const data = Uint8Array.from({ length: offset }, (_, i) => i % 251);
  const file = path.join(tempFolder(t), "model.gguf");
  writeFileSync(file, Buffer.concat([head, data]));
  return file;
}

async function draftOf(file: string): Promise<GgufDraft> {
  return await GgufDraft.read(file, await readGguf(file, { verbose: false }, o));
}

/** What the file would be that is made. */
async function madeOf(t: Test, source: string, draft: GgufDraft): Promise<string> {
  const file = path.join(tempFolder(t), "made.gguf");
  const chunks: Buffer[] = [];
  for await (const chunk of translatedChunks(source, draft, o)) chunks.push(Buffer.from(chunk));
  const bytes = Buffer.concat(chunks);
  t.equal(bytes.length, draft.fileBytes());
  writeFileSync(file, bytes);
  return file;
}

/** The values of a tensor. */
async function floatsOf(file: string, name: string): Promise<readonly number[]> {
  const { places } = await readGguf(file, { verbose: false }, o);
  const { start = 0, end } = places.data.get(name) ?? {};
  const bytes = Uint8Array.from(readFileSync(file).subarray(start, end));
  return [...new Float32Array(bytes.buffer)];
}

interface Case {
  readonly architecture: string;
  readonly keys?: Readonly<Record<string, Value>>;
  readonly tensors: readonly Typed[];
  readonly becomes: {
    readonly architecture?: string;
    readonly keys?: Readonly<Record<string, Value>>;
    readonly tensors: readonly Shape[];
  };
}

const WORDS = ["a", "b", "<0x41>", "<unused1>"];
const CASES: Readonly<Record<string, Case>> = {
  "gemma3: more words than embeddings, and a long context": {
    architecture: "gemma3",
    keys: {
      "gemma3.context_length": 131_072,
      "tokenizer.ggml.tokens": WORDS,
      "tokenizer.ggml.token_type": [1, 1, 1, 1],
    },
    tensors: [
      ["mm.a", 4],
      ["token_embd.weight", 8, 3],
      ["v.blk.0.x", 4],
    ],
    becomes: {
      keys: {
        "gemma3.rope.freq_base": 1_000_000,
        "gemma3.rope.freq_base_swa": 10_000,
        "gemma3.rope.scaling.type": "linear",
        "gemma3.rope.scaling.factor": 8,
        "tokenizer.ggml.tokens": WORDS.slice(0, 3),
        "tokenizer.ggml.token_type": [1, 1, 1],
      },
      tensors: [["token_embd.weight", 8, 3]],
    },
  },
  "gemma3n: its other embeddings have fewer words": {
    architecture: "gemma3n",
    keys: {
      "tokenizer.ggml.tokens": [...WORDS, "x"],
      "tokenizer.ggml.token_type": [3, 3, 3, 3, 3],
    },
    tensors: [
      ["token_embd.weight", 8, 5],
      ["per_layer_token_embd.weight", 8, 4],
    ],
    becomes: {
      keys: {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": WORDS,
        "tokenizer.ggml.token_type": [3, 3, 6, 1],
        "tokenizer.ggml.eos_token_ids": [1, 106],
      },
      tensors: [
        ["token_embd.weight", 8, 4],
        ["per_layer_token_embd.weight", 8, 4],
      ],
    },
  },
  "gemma4: experts in two tensors": {
    architecture: "gemma4",
    keys: { "gemma4.block_count": 1, "tokenizer.ggml.model": "llama" },
    tensors: [
      ["a.x", 4],
      ["blk.0.ffn_gate_exps.weight", 8, 2, 3],
      ["blk.0.ffn_up_exps.weight", 8, 2, 3],
      ["blk.0.ffn_gate_inp.per_expert_scale", 3],
      ["model.vision_tower.x", 4],
    ],
    becomes: {
      keys: { "tokenizer.ggml.model": "gemma4" },
      tensors: [
        ["blk.0.ffn_down_exps.scale", 3],
        ["blk.0.ffn_gate_up_exps.weight", 8, 4, 3],
      ],
    },
  },
  "gpt-oss": {
    architecture: "gptoss",
    keys: { "gptoss.block_count": 1, "tokenizer.ggml.pre": "default" },
    tensors: [
      ["blk.0.attn_out.weight", 4, 4],
      ["blk.0.attn_sinks", 4],
      ["blk.0.ffn_norm.weight", 4],
      ["blk.0.ffn_gate_exps.weight", 4, 6, 2],
    ],
    becomes: {
      architecture: "gpt-oss",
      keys: {
        "gpt-oss.block_count": 1,
        "gpt-oss.expert_feed_forward_length": 6,
        "gpt-oss.rope.scaling.type": "yarn",
        "tokenizer.ggml.pre": "gpt-4o",
      },
      tensors: [
        ["blk.0.attn_output.weight", 4, 4],
        ["blk.0.attn_sinks.weight", 4],
        ["blk.0.post_attention_norm.weight", 4],
        ["blk.0.ffn_gate_exps.weight", 4, 6, 2],
      ],
    },
  },
  lfm2: {
    architecture: "lfm2",
    keys: { "lfm2.feed_forward_length": 12 },
    tensors: [
      ["output_norm.weight", 4],
      ["blk.0.ffn_gate.weight", 4, 8],
    ],
    becomes: {
      keys: { "lfm2.feed_forward_length": 8, "tokenizer.ggml.pre": "lfm2" },
      tensors: [
        ["token_embd_norm.weight", 4],
        ["blk.0.ffn_gate.weight", 4, 8],
      ],
    },
  },
  "mistral3: only its keys": {
    architecture: "mistral3",
    keys: { "mistral3.rope.scaling.beta_fast": 32.5, "mistral3.rope.scaling_beta": 0.5 },
    tensors: [["token_embd.weight", 4]],
    becomes: {
      keys: {
        "mistral3.rope.scaling.yarn_beta_fast": 32.5,
        "mistral3.attention.temperature_scale": 0.5,
        "tokenizer.ggml.pre": "tekken",
      },
      tensors: [["token_embd.weight", 4]],
    },
  },
  "glm-4.7-flash": {
    architecture: "glm4moelite",
    keys: {
      "glm4moelite.attention.head_count_kv": 20,
      "glm4moelite.attention.key_length": 256,
      "glm4moelite.attention.kv_lora_rank": 512,
      "glm4moelite.rope.dimension_count": 64,
      "tokenizer.ggml.eos_token_ids": [7, 8, 9],
    },
    tensors: [["token_embd.weight", 4]],
    becomes: {
      architecture: "deepseek2",
      keys: {
        "deepseek2.attention.head_count_kv": 1,
        "deepseek2.attention.key_length": 576,
        "deepseek2.attention.value_length": 512,
        "deepseek2.attention.key_length_mla": 256,
        "deepseek2.attention.value_length_mla": 256,
        "deepseek2.expert_group_count": 1,
        "deepseek2.expert_group_used_count": 1,
        "tokenizer.ggml.pre": "glm4",
        "tokenizer.ggml.eot_token_id": 8,
        "tokenizer.ggml.eom_token_id": 9,
      },
      tensors: [["token_embd.weight", 4]],
    },
  },
  "qwen3.5": {
    architecture: "qwen35moe",
    keys: {
      "qwen35moe.attention.head_count_kv": [0, 0, 0, 2],
      "qwen35moe.rope.dimension_sections": [11, 11, 10],
      "qwen35moe.vision.block_count": 1,
    },
    tensors: [
      ["blk.0.ssm_dt", 4],
      ["mtp.fc.weight", 4],
      ["v.x", 4],
    ],
    becomes: {
      keys: {
        "qwen35moe.attention.head_count_kv": 2,
        "qwen35moe.rope.dimension_sections": [11, 11, 10, 0],
      },
      tensors: [["blk.0.ssm_dt.bias", 4]],
    },
  },
  qwen3next: {
    architecture: "qwen3next",
    keys: { "qwen3next.attention.head_count_kv": [0, 4] },
    tensors: [["blk.0.ssm_dt", 4]],
    becomes: {
      keys: { "qwen3next.attention.head_count_kv": 4 },
      tensors: [["blk.0.ssm_dt.bias", 4]],
    },
  },
  llama4: {
    architecture: "llama4",
    tensors: [
      ["mm.linear_1.weight", 4],
      ["token_embd.weight", 4],
      ["v.class_embedding", 4],
    ],
    becomes: { tensors: [["token_embd.weight", 4]] },
  },
  "deepseek-ocr": {
    architecture: "deepseekocr",
    tensors: [
      ["blk.1.ffn_down_exps.weight", 6, 4, 2],
      ["blk.1.ffn_down_shexp.weight", 12, 4],
      ["s.blk.0.x", 4],
    ],
    becomes: {
      architecture: "deepseek2-ocr",
      keys: {
        "deepseek2-ocr.expert_feed_forward_length": 6,
        "deepseek2-ocr.expert_shared_count": 2,
      },
      tensors: [
        ["blk.1.ffn_down_exps.weight", 6, 4, 2],
        ["blk.1.ffn_down_shexp.weight", 12, 4],
      ],
    },
  },
  "glm-ocr: what is gated in one tensor": {
    architecture: "glmocr",
    keys: {
      ...{ "glmocr.block_count": 1, "glmocr.attention.key_length": 128 },
      "glmocr.rope.mrope_section": [16, 24, 24],
      "tokenizer.ggml.pre": "llama-bpe",
    },
    tensors: [
      ["blk.0.attn_out.weight", 4],
      ["blk.0.ffn_gate.weight", 4, 2],
      ["blk.0.ffn_up.weight", 4, 2],
      ["blk.0.post_attn_norm.weight", 4],
      ["blk.0.post_ffn_norm.weight", 4],
      ["v.x", 4],
    ],
    becomes: {
      architecture: "glm4",
      keys: {
        "glm4.rope.dimension_sections": [16, 24, 24, 0],
        "glm4.rope.dimension_count": 128,
        "tokenizer.ggml.pre": "chatglm-bpe",
      },
      tensors: [
        ["blk.0.attn_output.weight", 4],
        ["blk.0.ffn_up.weight", 4, 4],
        ["blk.0.post_attention_norm.weight", 4],
        ["blk.0.post_ffw_norm.weight", 4],
      ],
    },
  },
  "nemotron 3, which hears and sees": {
    architecture: "nemotron_h_omni",
    keys: { "nemotron_h_omni.expert_count": 4 },
    tensors: [
      ["a.x", 4],
      ["blk.1.ffn_latent_in.weight", 4, 2],
      ["blk.1.ffn_latent_out.weight", 2, 4],
    ],
    becomes: {
      architecture: "nemotron_h_moe",
      keys: { "nemotron_h_moe.expert_count": 4, "nemotron_h_moe.moe_latent_size": 2 },
      tensors: [
        ["blk.1.ffn_latent_down.weight", 4, 2],
        ["blk.1.ffn_latent_up.weight", 2, 4],
      ],
    },
  },
  "snowflake-arctic-embed2: base64, a letter each": {
    architecture: "bert",
    keys: {
      "tokenizer.ggml.model": "t5",
      "tokenizer.ggml.precompiled_charsmap": [..."AQID"],
    },
    tensors: [["token_embd.weight", 4]],
    becomes: {
      keys: { "tokenizer.ggml.precompiled_charsmap": [1, 2, 3] },
      tensors: [["token_embd.weight", 4]],
    },
  },
};

for (const [name, { architecture, keys = {}, tensors, becomes }] of Object.entries(CASES)) {
  t.test(name, async (t) => {
    const source = fileOf(t, { "general.architecture": architecture, ...keys }, tensors);
    const draft = await draftOf(source);
    t.equal(toText(draft), true);
    const made = await readGguf(await madeOf(t, source, draft), { verbose: true }, o);
    const wanted = becomes.architecture ?? architecture;
    t.equal(made.metadata.get("general.architecture"), wanted);
    for (const [key, value] of Object.entries(becomes.keys ?? {})) {
      const found = made.metadata.get(key);
      t.same(typeof found === "object" ? found.values : found, value, key);
    }
    if (wanted !== architecture) {
      const left = [...made.metadata.keys()].filter((key) => key.startsWith(`${architecture}.`));
      t.same(left, []);
    }
    t.same(
      made.tensors.map(({ name, shape }) => [name, ...shape]),
      becomes.tensors,
    );
    t.equal(toText((await draftOf(source)).clone()), true, "the draft is its own");
  });
}

t.test("files that llama.cpp loads stay as they are", async (t) => {
  const keys: Readonly<Record<string, Readonly<Record<string, Value>>>> = {
    llama: {},
    gemma3: { "gemma3.attention.layer_norm_rms_epsilon": 0.5 },
    gemma4: { "tokenizer.ggml.model": "gemma4" },
    mistral3: {},
    lfm2: {},
    qwen3vl: { "qwen3vl.rope.dimension_sections": [24, 20, 20, 0] },
    qwen35: { "qwen35.attention.head_count_kv": 2 },
    llama4: {},
    bert: { "tokenizer.ggml.model": "bert" },
    nemotron_h_moe: {},
    "gpt-oss": {},
  };
  for (const [architecture, own] of Object.entries(keys)) {
    const file = fileOf(t, { "general.architecture": architecture, ...own }, [
      ["token_embd.weight", 4],
      ["token_embd_norm.weight", 4],
    ]);
    t.equal(toText(await draftOf(file)), false, architecture);
  }
});

t.test("data: joined by experts, rows left out, zeros between", async (t) => {
  const source = fileOf(t, { "general.architecture": "gemma4", "gemma4.block_count": 1 }, [
    ["blk.0.ffn_gate_exps.weight", 1, 1, 2],
    ["blk.0.ffn_up_exps.weight", 1, 1, 2],
    ["v.x", 1],
  ]);
  const draft = await draftOf(source);
  toText(draft);
  const made = await madeOf(t, source, draft);
  const [gate0, gate1] = await floatsOf(source, "blk.0.ffn_gate_exps.weight");
  const [up0, up1] = await floatsOf(source, "blk.0.ffn_up_exps.weight");
  t.same(await floatsOf(made, "blk.0.ffn_gate_up_exps.weight"), [gate0, up0, gate1, up1]);
});

t.test("projectors: patches of two frames, and queries, keys and values in one", async (t) => {
  const keys = {
    "general.architecture": "qwen3vl",
    "qwen3vl.embedding_length": 8,
    "qwen3vl.vision.block_count": 2,
    "qwen3vl.vision.patch_size": 2,
    "qwen3vl.vision.deepstack_visual_indexes": [1],
  };
  const source = fileOf(t, keys, [
    ["v.blk.0.attn_q.weight", 32, 1, { type: F16 }],
    ["v.blk.0.attn_k.weight", 32, 1],
    ["v.blk.0.attn_v.weight", 32, 1, { type: Q8_0 }],
    ["v.deepstack_merger.0.linear_fc1.weight", 4],
    ["v.patch_embed.weight", 1, 1, 2, 6, { type: F16 }],
    ["v.pos_embed.weight", 4, 16, { type: F16 }],
    ["token_embd.weight", 8],
  ]);
  const draft = toProjector(await draftOf(source));
  if (!draft) throw new Error("it has one");
  const made = await madeOf(t, source, draft);
  const { metadata, tensors } = await readGguf(made, { verbose: true }, o);
  t.equal(metadata.get("clip.projector_type"), "qwen3vl_merger");
  t.equal(metadata.get("clip.vision.projection_dim"), 8);
  t.equal(metadata.get("clip.vision.image_size"), 8);
  t.same(metadata.get("clip.vision.is_deepstack_layers"), { length: 2, values: [false, true] });
  t.same(
    tensors.map(({ name, type, shape }) => [name, type, ...shape]),
    [
      ["v.deepstack.1.fc1.weight", "F32", 4],
      ["v.position_embd.weight", "F32", 4, 16],
      ["v.blk.0.attn_qkv.weight", "F32", 32, 3],
      ["v.patch_embd.weight", "F32", 1, 1, 3, 2],
      ["v.patch_embd.weight.1", "F32", 1, 1, 3, 2],
    ],
  );
  // Byte i of the file's data is i % 251.
  const half = (at: number): number =>
    new DataView(Uint8Array.of(at % 251, (at + 1) % 251).buffer).getFloat16(0, true);
  const patchesAt = 64 + 128 + 64 + 32;
  const ofFrame = (frame: number) =>
    Array.from({ length: 6 }, (_, i) => half(patchesAt + 2 * (2 * i + frame)));
  t.same(await floatsOf(made, "v.patch_embd.weight"), ofFrame(0));
  t.same(await floatsOf(made, "v.patch_embd.weight.1"), ofFrame(1));
  const joined = await floatsOf(made, "v.blk.0.attn_qkv.weight");
  t.same(
    joined.slice(0, 32),
    Array.from({ length: 32 }, (_, i) => half(2 * i)),
  );
  t.same(joined.slice(32, 64), await floatsOf(source, "v.blk.0.attn_k.weight"));
  const at = 64 + 128;
  const scale = half(at);
  const signed = (byte: number): number => (byte > 127 ? byte - 256 : byte);
  t.same(
    joined.slice(64),
    Array.from({ length: 32 }, (_, i) => Math.fround(scale * signed((at + 2 + i) % 251))),
  );
});

t.test("projectors: the rows of a head in llama.cpp's order", async (t) => {
  const keys = {
    "general.architecture": "mistral3",
    "mistral3.embedding_length": 2,
    "mistral3.vision.block_count": 1,
    "mistral3.vision.attention.head_count": 1,
  };
  const source = fileOf(t, keys, [["v.blk.0.attn_q.weight", 1, 4]]);
  const draft = toProjector(await draftOf(source));
  if (!draft) throw new Error("it has one");
  const made = await madeOf(t, source, draft);
  const [a, b, c, d] = await floatsOf(source, "v.blk.0.attn_q.weight");
  t.same(await floatsOf(made, "v.blk.0.attn_q.weight"), [a, c, b, d]);
  t.same(await floatsOf(made, "v.token_embd.img_break"), [0, 0]);
});

t.test("projectors from before they had types", async (t) => {
  const clip = key("general.architecture", value.text("clip"));
  const sees = key("clip.has_vision_encoder", bool(true));
  const of = async (...keys: readonly Buffer[]): Promise<GgufDraft> => {
    const file = path.join(tempFolder(t), "clip.gguf");
    writeFileSync(file, ggufFile({ keys }));
    return await draftOf(file);
  };
  const old = await of(clip, sees);
  t.equal(nameOldProjector(old), true);
  t.equal(old.text("clip.projector_type"), "mlp");
  const typed = key("clip.projector_type", value.text("ldp"));
  t.equal(nameOldProjector(await of(clip, sees, typed)), false);
  t.equal(nameOldProjector(await of(clip)), false);
  t.equal(toProjector(old), undefined);
});
