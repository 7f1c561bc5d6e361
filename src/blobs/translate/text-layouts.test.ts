import t from "tap";
import {
  draftOf,
  fileOf,
  floatsOf,
  madeOf,
  type Typed,
  type Value,
} from "../../../test/fixtures/counted-gguf.ts";
import type { Shape } from "../../../test/fixtures/projector-file.ts";
import { readGguf } from "../gguf.ts";
import { toText } from "./text-layouts.ts";

const o = { signal: new AbortController().signal };

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
