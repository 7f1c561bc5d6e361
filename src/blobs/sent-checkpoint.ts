import { isSafetensorsName } from "../core/checkpoint-files.ts";
import type { Waiting } from "../core/ports.ts";
import { ConvertedSource } from "./convert/converted-source.ts";
import type { AdapterBase } from "./convert/model-shape.ts";
import { planConversion } from "./convert/plan-conversion.ts";
import { GgufError } from "./errors.ts";
import { type GgufValue, readGguf } from "./gguf.ts";
import { sentBlob } from "./gguf-part.ts";
import { blobPath } from "./layout.ts";
import type { UnmadeLayer } from "./make-model.ts";
import type { ModelStore } from "./model-store.ts";

type Files = Readonly<Record<string, string>>;
type Wanted =
  | { readonly kind: "model"; readonly base?: undefined }
  | { readonly kind: "adapter"; readonly base: AdapterBase };

export function hasSafetensors(files: Files): boolean {
  return Object.keys(files).some(isSafetensorsName);
}

/** The layer that files which a client has sent as blobs are converted to. */
export async function readCheckpoint(
  store: ModelStore,
  files: Files,
  { kind, base }: Wanted,
  o: Waiting,
): Promise<UnmadeLayer & { readonly shape?: AdapterBase }> {
  const sent = await Promise.all(
    Object.entries(files).map(async (entry) => ({
      name: entry[0],
      blob: await sentBlob(store, entry),
    })),
  );
  const weights = sent.find(({ name }) => isSafetensorsName(name));
  if (!weights) throw new Error("no file of weights among them");
  const plan = await planConversion(
    {
      files: sent.map(({ name, blob }) => ({ name, file: blobPath(store.layout, blob.digest) })),
      ...(base && { base }),
    },
    o,
  );
  return {
    standIn: { kind, ...weights.blob },
    status: kind === "model" ? "converting model" : "converting adapter",
    source: new ConvertedSource(plan),
    ...(plan.shape && { shape: plan.shape }),
  };
}

/** How the heads of a GGUF file's model are cut, which an adapter for it must follow. */
export async function adapterBaseOf(file: string, o: Waiting): Promise<AdapterBase> {
  const { metadata } = await readGguf(file, { verbose: false }, o);
  const architecture = String(metadata.get("general.architecture") ?? "");
  const number = (key: string): number => numberOf(metadata.get(`${architecture}.${key}`));
  const heads = number("attention.head_count");
  const headLength = number("attention.key_length") || number("embedding_length") / heads;
  const keyValueHeads = number("attention.head_count_kv") || heads;
  if (heads > 0 && Number.isInteger(headLength)) {
    return { architecture, heads, keyValueHeads, headLength };
  }
  throw new GgufError("MALFORMED", "the model's file does not say how many heads it has");
}

function numberOf(value: GgufValue | undefined): number {
  return typeof value === "number" ? value : 0;
}
