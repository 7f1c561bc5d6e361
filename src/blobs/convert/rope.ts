import { badCheckpoint, notConvertible } from "./checkpoint-error.ts";
import type { GgufTyped } from "./gguf-head.ts";
import type { ModelShape } from "./model-shape.ts";

/** A tensor of numbers that no file of the checkpoint has. */
export interface MadeTensor {
  readonly name: string;
  readonly values: readonly number[];
}

interface RopeParts {
  /** Without the architecture in front. */
  readonly keys: readonly (readonly [key: string, value: GgufTyped])[];
  readonly tensors: readonly MadeTensor[];
}

const float32 = (value: number): GgufTyped => ({ type: "float32", value });
const uint32 = (value: number): GgufTyped => ({ type: "uint32", value });

/** How far positions reach: the keys, and the factors by which llama.cpp divides each frequency. */
export function ropePartsOf(shape: ModelShape): RopeParts {
  const { rope } = shape;
  if (!rope) return { keys: [], tensors: [] };
  switch (rope.kind) {
    case "linear":
    case "yarn":
      return { keys: scalingKeys(shape), tensors: [] };
    case "llama3":
      return { keys: [], tensors: [{ name: "rope_freqs.weight", values: llama3Factors(shape) }] };
    case "su":
    case "longrope":
      return longRope(shape);
    default:
      throw notConvertible(`a model whose positions are scaled by ${JSON.stringify(rope.kind)}`);
  }
}

function scalingKeys({ rope }: ModelShape): RopeParts["keys"] {
  const { kind = "", factor, original_max_position_embeddings: original } = rope ?? {};
  return [
    ["rope.scaling.type", { type: "string", value: kind }],
    ["rope.scaling.factor", float32(factor ?? 1)],
    ...(original ? [["rope.scaling.original_context_length", uint32(original)] as const] : []),
  ];
}

/** Llama 3.1's: long waves are slowed down, short ones are not, and those between partly (transformers, modeling_rope_utils). */
function llama3Factors({ rope, ropeBase, headLength }: ModelShape): number[] {
  const { factor, low_freq_factor: low, high_freq_factor: high } = rope ?? {};
  const original = rope?.original_max_position_embeddings ?? 8_192;
  if (!factor || !low || !high || high === low) {
    throw badCheckpoint("config.json: rope_scaling lacks one of Llama 3's factors");
  }
  return Array.from({ length: headLength / 2 }, (_, i) => {
    const wave = 2 * Math.PI * ropeBase ** ((2 * i) / headLength);
    if (wave < original / high) return 1;
    if (wave > original / low) return factor;
    const smooth = (original / wave - low) / (high - low);
    return 1 / ((1 - smooth) / factor + smooth);
  });
}

/** Phi 3's: two lists, for texts beyond the length that the model began with and within it. */
function longRope(shape: ModelShape): RopeParts {
  const { rope, max_position_embeddings: longest } = shape;
  const { long_factor: long, short_factor: short } = rope ?? {};
  const original = shape.original_max_position_embeddings ?? rope?.original_max_position_embeddings;
  const pairs = ropeLengthOf(shape) / 2;
  if (long?.length !== pairs || short?.length !== pairs || !longest || !original) {
    throw badCheckpoint(`config.json: rope_scaling has no ${pairs} long and short factors`);
  }
  const scale = longest / original;
  const attention = scale > 1 ? Math.sqrt(1 + Math.log(scale) / Math.log(original)) : 1;
  return {
    keys: [["rope.scaling.attn_factor", float32(rope?.attention_factor ?? attention)]],
    tensors: [
      { name: "rope_factors_long.weight", values: long },
      { name: "rope_factors_short.weight", values: short },
    ],
  };
}

/** How many values of a head are turned by their position. */
export function ropeLengthOf({ rope, partial_rotary_factor, headLength }: ModelShape): number {
  return Math.floor(headLength * (partial_rotary_factor ?? rope?.partial_rotary_factor ?? 1));
}
