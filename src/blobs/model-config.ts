import { z } from "zod";
import { type BlobDigest, formatDigest } from "../core/digest.ts";
import type { GgufFacts } from "./gguf-facts.ts";
import { humanNumber } from "./human-number.ts";

const text = z.string().max(1_000).catch("");
const optionalText = z.string().min(1).max(1_000).optional().catch(undefined);
const optionalCount = z.int().positive().optional().catch(undefined);

/** The config blob, as far as we use it. Files of many makers are about: what is not as expected counts as absent. */
const configSchema = z.object({
  model_format: text,
  model_family: text,
  model_families: z.array(z.string().max(1_000)).max(100).nullish().catch(null),
  model_type: text,
  file_type: text,
  renderer: optionalText,
  parser: optionalText,
  requires: optionalText,
  remote_host: optionalText,
  remote_model: optionalText,
  context_length: optionalCount,
  embedding_length: optionalCount,
  capabilities: z.array(z.string().max(100)).max(100).nullish().catch(null),
});
export type ModelConfig = z.output<typeof configSchema>;

/** Throws a ZodError for anything that is no object. */
export function parseModelConfig(json: unknown): ModelConfig {
  return configSchema.parse(json);
}

/** The config blob of a model that is made here. */
export function formatModelConfig(facts: GgufFacts, model: BlobDigest): Uint8Array {
  const rootfs = { type: "layers", diff_ids: [formatDigest(model)] };
  return Buffer.from(JSON.stringify({ ...modelConfigOf(facts), rootfs }));
}

/** The same without its list of layers. As Ollama does, always for amd64 and linux, whatever the machine is. */
export function modelConfigOf(facts: GgufFacts): Readonly<Record<string, unknown>> {
  return {
    model_format: "gguf",
    model_family: facts.architecture,
    model_families: [facts.architecture],
    model_type: humanNumber(facts.parameterCount),
    file_type: facts.quantization,
    architecture: "amd64",
    os: "linux",
  };
}
