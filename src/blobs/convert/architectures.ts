import { notConvertible } from "./checkpoint-error.ts";
import type { GgufTyped } from "./gguf-head.ts";
import type { ModelShape } from "./model-shape.ts";
import { ropeLengthOf } from "./rope.ts";

/** How the models of one kind are written down by llama.cpp. */
export interface Architecture {
  /** llama.cpp's name (llama-arch.cpp). */
  readonly name: string;
  /** Keys beyond those that all have, without the architecture in front. */
  readonly keys: (shape: ModelShape) => Keys;
  /** The names of a layer's parts where they differ from most. */
  readonly parts?: Readonly<Record<string, string>>;
  /** The rows of queries and keys are in another order there: llama.cpp turns neighbours by their position, they turn halves. */
  readonly turnsNeighbours?: boolean;
  /** What is added to the weights of norms: llama.cpp multiplies by them, and those that are trained are around zero. */
  readonly normShift?: number;
  /** The words' vectors are the last layer too, whatever the files say. */
  readonly tiesOutput?: boolean;
}

type Keys = readonly (readonly [key: string, value: GgufTyped])[];

const float32 = (value: number): GgufTyped => ({ type: "float32", value });
const uint32 = (value: number): GgufTyped => ({ type: "uint32", value });

/** Of a part of a layer, and llama.cpp's name for it (gguf-py, tensor_mapping.py). */
const PARTS: Readonly<Record<string, string>> = {
  input_layernorm: "attn_norm",
  post_attention_layernorm: "ffn_norm",
  "self_attn.q_proj": "attn_q",
  "self_attn.k_proj": "attn_k",
  "self_attn.v_proj": "attn_v",
  "self_attn.o_proj": "attn_output",
  "self_attn.q_norm": "attn_q_norm",
  "self_attn.k_norm": "attn_k_norm",
  "mlp.gate_proj": "ffn_gate",
  "mlp.up_proj": "ffn_up",
  "mlp.down_proj": "ffn_down",
};
const EXPERT_PARTS: Readonly<Record<string, string>> = {
  w1: "ffn_gate_exps",
  w2: "ffn_down_exps",
  w3: "ffn_up_exps",
  gate_proj: "ffn_gate_exps",
  down_proj: "ffn_down_exps",
  up_proj: "ffn_up_exps",
};
const GEMMA_PARTS = {
  post_attention_layernorm: "post_attention_norm",
  pre_feedforward_layernorm: "ffn_norm",
  post_feedforward_layernorm: "post_ffw_norm",
};
const ENDS: Readonly<Record<string, string>> = {
  embed_tokens: "token_embd",
  norm: "output_norm",
  lm_head: "output",
};

const headKeys = ({ headLength }: ModelShape): Keys => [
  ["attention.key_length", uint32(headLength)],
  ["attention.value_length", uint32(headLength)],
];
const slidingKeys = ({ sliding_window }: ModelShape): Keys =>
  sliding_window ? [["attention.sliding_window", uint32(sliding_window)]] : [];
const softcapKeys = (shape: ModelShape): Keys => [
  ...optional("attn_logit_softcapping", shape.attn_logit_softcapping),
  ...optional("final_logit_softcapping", shape.final_logit_softcapping),
];
const expertKeys = (shape: ModelShape): Keys => {
  const experts = shape.num_local_experts ?? shape.num_experts;
  const { num_experts_per_tok: used, moe_intermediate_size: length } = shape;
  return [
    ...(experts ? [["expert_count", uint32(experts)] as const] : []),
    ...(used ? [["expert_used_count", uint32(used)] as const] : []),
    ...(length ? [["expert_feed_forward_length", uint32(length)] as const] : []),
  ];
};

function optional(key: string, value: number | null | undefined): Keys {
  return typeof value === "number" ? [[key, float32(value)]] : [];
}

const LLAMA: Architecture = {
  name: "llama",
  keys: (shape) => [
    ["rope.dimension_count", uint32(ropeLengthOf(shape))],
    ...(shape.head_dim ? headKeys(shape) : []),
    ...expertKeys(shape),
  ],
  turnsNeighbours: true,
};
const GEMMA = { normShift: 1, tiesOutput: true } as const;

/** By the first of config.json's architectures. */
const ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  LlamaForCausalLM: LLAMA,
  MistralForCausalLM: LLAMA,
  MixtralForCausalLM: { ...LLAMA, parts: { "block_sparse_moe.gate": "ffn_gate_inp" } },
  Qwen2ForCausalLM: { name: "qwen2", keys: () => [] },
  Qwen3ForCausalLM: { name: "qwen3", keys: headKeys },
  Qwen3MoeForCausalLM: {
    name: "qwen3moe",
    keys: (shape) => [...headKeys(shape), ...expertKeys(shape)],
    parts: { "mlp.gate": "ffn_gate_inp" },
  },
  GemmaForCausalLM: { name: "gemma", keys: headKeys, ...GEMMA },
  Gemma2ForCausalLM: {
    name: "gemma2",
    keys: (shape) => [...headKeys(shape), ...softcapKeys(shape), ...slidingKeys(shape)],
    parts: GEMMA_PARTS,
    ...GEMMA,
  },
  Gemma3ForCausalLM: {
    name: "gemma3",
    keys: (shape) => [...headKeys(shape), ...softcapKeys(shape), ...slidingKeys(shape)],
    parts: GEMMA_PARTS,
    ...GEMMA,
  },
  Phi3ForCausalLM: {
    name: "phi3",
    keys: (shape) => [
      ["rope.dimension_count", uint32(ropeLengthOf(shape))],
      [
        "rope.scaling.original_context_length",
        uint32(shape.original_max_position_embeddings ?? shape.max_position_embeddings ?? 4_096),
      ],
      // None means a window of its own to llama.cpp, zero that there is none.
      ["attention.sliding_window", uint32(shape.sliding_window ?? 0)],
    ],
    parts: { "self_attn.qkv_proj": "attn_qkv", "mlp.gate_up_proj": "ffn_up" },
  },
};

export function architectureOf({ maker }: ModelShape): Architecture {
  const architecture = ARCHITECTURES[maker];
  if (architecture) return architecture;
  throw notConvertible(
    `a model of the architecture ${maker} (${Object.keys(ARCHITECTURES).join(", ")} are known)`,
  );
}

/** Of a model that is a GGUF file already, by llama.cpp's name. */
export function architectureNamed(name: string): Architecture {
  const found = Object.values(ARCHITECTURES).find((architecture) => architecture.name === name);
  if (found) return found;
  throw notConvertible(`an adapter for a model of the architecture ${name}`);
}

/** The keys that all have, then its own, with the architecture in front. */
export function shapeKeys(architecture: Architecture, shape: ModelShape): Keys {
  const keys: Keys = [
    ["block_count", uint32(shape.num_hidden_layers)],
    ["context_length", uint32(shape.max_position_embeddings ?? 2_048)],
    ["embedding_length", uint32(shape.hidden_size)],
    ["feed_forward_length", uint32(shape.intermediate_size)],
    ["attention.head_count", uint32(shape.num_attention_heads)],
    ["attention.head_count_kv", uint32(shape.keyValueHeads)],
    ["attention.layer_norm_rms_epsilon", float32(shape.rms_norm_eps ?? 1e-6)],
    ["rope.freq_base", float32(shape.ropeBase)],
    ...architecture.keys(shape),
  ];
  return keys.map(([key, value]) => [`${architecture.name}.${key}`, value]);
}

/** Where a tensor of the checkpoint goes: the name, and of which expert it is. */
export interface TensorPlace {
  readonly name: string;
  readonly expert?: number;
}

const LAYER = /^layers\.(\d{1,5})\.(.+)\.(weight|bias)$/;
const EXPERT = /^(?:mlp|block_sparse_moe)\.experts\.(\d{1,5})\.(\w+)$/;

/** Undefined: nobody needs it. A name that is not known is an error, for a model that lacks a part only seems to work. */
export function placeOf(
  { parts, tiesOutput }: Architecture,
  name: string,
): TensorPlace | undefined {
  if (name.endsWith(".rotary_emb.inv_freq")) return undefined;
  if (name === "lm_head.weight" && tiesOutput) return undefined;
  const own = name.replace(/^(language_model\.)?(model\.)?(language_model\.)?/, "");
  const [, layer, part = "", kind] = LAYER.exec(own) ?? [];
  if (layer === undefined) {
    const [, end = "", suffix] = /^(\w+)\.(weight|bias)$/.exec(own) ?? [];
    if (ENDS[end]) return { name: `${ENDS[end]}.${suffix}` };
    throw notConvertible(`a model with the tensor ${name}`);
  }
  const [, expert, expertPart = ""] = EXPERT.exec(part) ?? [];
  if (expert !== undefined && EXPERT_PARTS[expertPart]) {
    return { name: `blk.${layer}.${EXPERT_PARTS[expertPart]}.${kind}`, expert: Number(expert) };
  }
  const renamed = parts?.[part] ?? PARTS[part];
  if (renamed) return { name: `blk.${layer}.${renamed}.${kind}` };
  throw notConvertible(`a model with the tensor ${name}`);
}
