import { z } from "zod";
import type { Waiting } from "../../core/ports.ts";
import { type Architecture, architectureNamed, placeOf } from "./architectures.ts";
import { Checkpoint, type CheckpointFile } from "./checkpoint.ts";
import { badCheckpoint, notConvertible } from "./checkpoint-error.ts";
import type { GgufTyped } from "./gguf-head.ts";
import type { Json } from "./json.ts";
import type { AdapterBase } from "./model-shape.ts";
import { checkHeads, type PlannedGguf, type PlannedTensor, plannedGguf } from "./plan-model.ts";
import type { StoredTensor } from "./safetensors.ts";

const FILE_TYPE_F32 = 0;
/** PEFT's names (huggingface/peft): the matrices A and B of a layer's part, maybe with the adapter's own name between. */
const LORA_NAME = /^(?:base_model\.model\.)?(.+)\.lora_([AB])(?:\.\w+)?\.weight$/;

const configSchema = z.object({
  peft_type: z.string().default("LORA"),
  r: z.int().positive(),
  lora_alpha: z.number(),
  use_rslora: z.boolean().default(false),
  use_dora: z.boolean().default(false),
  alpha_pattern: z.record(z.string(), z.unknown()).nullish(),
  rank_pattern: z.record(z.string(), z.unknown()).nullish(),
});

/** Plans the GGUF file of a LoRA adapter as PEFT saves it, as llama.cpp's convert_lora_to_gguf.py writes one. */
export async function planAdapter(
  files: readonly CheckpointFile[],
  base: AdapterBase,
  o: Waiting,
): Promise<PlannedGguf> {
  const checkpoint = new Checkpoint(files, o);
  const alpha = alphaOf(await checkpoint.json("adapter_config.json"));
  const architecture = architectureNamed(base.architecture);
  const tensors = (await checkpoint.tensors()).map((stored) =>
    loraTensor(stored, architecture, base),
  );
  checkPairs(tensors);
  const keys = new Map<string, GgufTyped>([
    ["general.architecture", { type: "string", value: base.architecture }],
    ["general.type", { type: "string", value: "adapter" }],
    ["general.file_type", { type: "uint32", value: FILE_TYPE_F32 }],
    ["adapter.type", { type: "string", value: "lora" }],
    ["adapter.lora.alpha", { type: "float32", value: alpha }],
  ]);
  const { architecture: name } = base;
  return plannedGguf(keys, tensors, { architecture: name, quantization: "F32" });
}

/** What llama.cpp divides by the rank. */
function alphaOf(config: Json): number {
  const parsed = configSchema.safeParse(config);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw badCheckpoint(`adapter_config.json: ${issue?.path.join(".")}: ${issue?.message}`);
  }
  const { peft_type, r, lora_alpha, use_rslora, use_dora, ...patterns } = parsed.data;
  if (peft_type !== "LORA") throw notConvertible(`an adapter of the kind ${peft_type}`);
  if (use_dora) throw notConvertible("an adapter of the kind DoRA");
  const hasOwn = (pattern: object | null | undefined): boolean =>
    Object.keys(pattern ?? {}).length > 0;
  if (hasOwn(patterns.alpha_pattern) || (use_rslora && hasOwn(patterns.rank_pattern))) {
    throw notConvertible("an adapter whose parts have scales of their own");
  }
  // There it is divided by the rank's root.
  return use_rslora ? lora_alpha * Math.sqrt(r) : lora_alpha;
}

function loraTensor(
  stored: StoredTensor,
  architecture: Architecture,
  base: AdapterBase,
): PlannedTensor {
  const [, part = "", matrix] = LORA_NAME.exec(stored.name) ?? [];
  const place = matrix === undefined ? undefined : placeOf(architecture, `${part}.weight`);
  if (!place || place.expert !== undefined || stored.shape.length !== 2) {
    throw notConvertible(`an adapter with the tensor ${stored.name}`);
  }
  const kind = /\.attn_([qk])\.weight$/.exec(place.name)?.[1];
  const heads = kind === "q" ? base.heads : base.keyValueHeads;
  const reorders = matrix === "B" && kind !== undefined && architecture.turnsNeighbours;
  if (reorders) checkHeads(stored, heads, base.headLength);
  return {
    name: `${place.name}.lora_${matrix === "A" ? "a" : "b"}`,
    type: "F32",
    shape: stored.shape.toReversed(),
    source: { stored: [stored], ...(reorders && { heads }) },
  };
}

function checkPairs(tensors: readonly PlannedTensor[]): void {
  const names = new Set(tensors.map(({ name }) => name));
  if (names.size === 0) throw badCheckpoint("the adapter has no tensors");
  for (const name of names) {
    const other = name.replace(/_[ab]$/, (end) => (end === "_a" ? "_b" : "_a"));
    if (!names.has(other)) throw badCheckpoint(`the adapter has ${name} and lacks ${other}`);
  }
}
