import { z } from "zod";
import { badCheckpoint, notConvertible } from "./checkpoint-error.ts";
import { isJson, type Json } from "./json.ts";

const count = z.int().positive();
const optionalCount = count.nullish();
const factor = z.number().nullish();
const factors = z.array(z.number()).nullish();

const ropeSchema = z.object({
  type: z.string().nullish(),
  rope_type: z.string().nullish(),
  rope_theta: factor,
  factor: factor,
  low_freq_factor: factor,
  high_freq_factor: factor,
  original_max_position_embeddings: optionalCount,
  partial_rotary_factor: factor,
  attention_factor: factor,
  long_factor: factors,
  short_factor: factors,
});
export type RopeScaling = z.output<typeof ropeSchema>;

/** What we read of a config.json, under the names that it has there. */
const shapeSchema = z.object({
  hidden_size: count,
  num_hidden_layers: count,
  intermediate_size: count,
  num_attention_heads: count,
  num_key_value_heads: optionalCount,
  head_dim: optionalCount,
  max_position_embeddings: optionalCount,
  rms_norm_eps: factor,
  sliding_window: z.int().nonnegative().nullish(),
  rope_theta: factor,
  rope_scaling: ropeSchema.nullish(),
  rope_parameters: ropeSchema.nullish(),
  partial_rotary_factor: factor,
  original_max_position_embeddings: optionalCount,
  attn_logit_softcapping: factor,
  final_logit_softcapping: factor,
  num_local_experts: optionalCount,
  num_experts: optionalCount,
  num_experts_per_tok: optionalCount,
  moe_intermediate_size: optionalCount,
});

/** How a model's heads are cut, which an adapter for it must follow. */
export interface AdapterBase {
  /** llama.cpp's name. */
  readonly architecture: string;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headLength: number;
}

export interface ModelShape extends z.output<typeof shapeSchema> {
  /** config.json's own name: LlamaForCausalLM. */
  readonly maker: string;
  readonly keyValueHeads: number;
  readonly headLength: number;
  readonly ropeBase: number;
  /** Undefined: positions are used as they are. */
  readonly rope: (RopeScaling & { readonly kind: string }) | undefined;
}

/** The sizes of a model, of a config.json; the errors say what it lacks. */
export function modelShapeOf(config: Json): ModelShape {
  const { architectures, text_config: own } = config;
  const maker: unknown = Array.isArray(architectures) ? architectures[0] : undefined;
  if (typeof maker !== "string") throw badCheckpoint("config.json names no architecture");
  if (config["quantization_config"] !== undefined) {
    throw notConvertible("a model that is quantized already (quantization_config in config.json)");
  }
  const parsed = shapeSchema.safeParse(withOneRope(isJson(own) ? { ...config, ...own } : config));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw badCheckpoint(`config.json: ${issue?.path.join(".")}: ${issue?.message}`);
  }
  const shape = parsed.data;
  const { num_attention_heads: heads, hidden_size } = shape;
  const headLength = shape.head_dim ?? hidden_size / heads;
  if (!Number.isInteger(headLength)) {
    throw badCheckpoint(`config.json: ${hidden_size} values cannot be shared among ${heads} heads`);
  }
  const rope = shape.rope_parameters ?? shape.rope_scaling ?? undefined;
  const kind = rope?.rope_type ?? rope?.type ?? "default";
  return {
    ...{ ...shape, maker, headLength },
    keyValueHeads: shape.num_key_value_heads ?? heads,
    ropeBase: rope?.rope_theta ?? shape.rope_theta ?? 10_000,
    rope: rope && kind !== "default" && kind !== "dynamic" ? { ...rope, kind } : undefined,
  };
}

/** Newer files tell of the layers that see everything and of those that see a window; llama.cpp knows the latter by itself. */
function withOneRope(config: Json): Json {
  const { rope_parameters: rope } = config;
  if (!isJson(rope) || !isJson(rope["full_attention"])) return config;
  return { ...config, rope_parameters: rope["full_attention"] };
}
