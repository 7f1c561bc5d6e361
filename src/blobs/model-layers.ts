import { readFile, stat } from "node:fs/promises";
import { z } from "zod";
import type { Message } from "../core/inference.ts";
import type { Layer, Manifest } from "../core/manifest.ts";
import type { Waiting } from "../core/ports.ts";
import { BlobError } from "./errors.ts";
import { blobPath, type Layout } from "./layout.ts";

/** The small layers of a model, read. */
export interface ModelLayers {
  readonly template?: string;
  readonly system?: string;
  readonly licenses: readonly string[];
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly messages: readonly Message[];
}

export const LAYER_BYTES_MAX = 16 * 1024 * 1024;
export const MESSAGES_MAX = 10_000;

const parametersSchema = z.record(z.string(), z.unknown());
const messagesSchema = z
  .array(
    z.object({
      role: z.string(),
      content: z.string().default(""),
      thinking: z.string().optional(),
      images: z.array(z.string()).nullish(),
    }),
  )
  .max(MESSAGES_MAX);

/** As in Ollama, the last layer of a kind counts, and licenses add up. */
export async function readModelLayers(
  layout: Layout,
  manifest: Manifest,
  { signal }: Waiting,
): Promise<ModelLayers> {
  const texts = async (...kinds: readonly string[]): Promise<string[]> => {
    const found: string[] = [];
    for (const layer of manifest.layers) {
      if (kinds.includes(layer.kind)) found.push(await readTextBlob(layout, layer, { signal }));
    }
    return found;
  };
  const template = (await texts("template", "prompt")).at(-1);
  const system = (await texts("system")).at(-1);
  const parameters = (await texts("params")).at(-1);
  const messages = (await texts("messages")).at(-1);
  return {
    ...(template !== undefined && { template }),
    ...(system !== undefined && system !== "" && { system }),
    licenses: await texts("license"),
    parameters: parameters === undefined ? {} : decode("params", parameters, parametersSchema),
    messages:
      messages === undefined ? [] : decode("messages", messages, messagesSchema).map(messageOf),
  };
}

function messageOf(raw: z.output<typeof messagesSchema>[number]): Message {
  const { role, content, thinking, images } = raw;
  return {
    role: role.toLowerCase(),
    content,
    ...(thinking !== undefined && { thinking }),
    ...(images && images.length > 0 && { images }),
  };
}

export async function readTextBlob(
  layout: Layout,
  layer: Pick<Layer, "kind" | "digest">,
  { signal }: Waiting,
): Promise<string> {
  const path = blobPath(layout, layer.digest);
  const { size } = await stat(path);
  if (size > LAYER_BYTES_MAX) {
    throw new BlobError(
      "LAYER_INVALID",
      `The ${layer.kind} layer ${path} has ${size} bytes, more than the ${LAYER_BYTES_MAX} allowed: pull or create the model again.`,
    );
  }
  return readFile(path, { encoding: "utf8", signal });
}

function decode<T>(kind: string, json: string, schema: z.ZodType<T>): T {
  try {
    return schema.parse(JSON.parse(json));
  } catch (cause) {
    throw new BlobError(
      "LAYER_INVALID",
      `The model's ${kind} layer is damaged: pull or create the model again.`,
      { cause },
    );
  }
}
