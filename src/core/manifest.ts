import { z } from "zod";
import {
  type BlobDigest,
  formatDigest,
  type ManifestDigest,
  manifestDigestOf,
  parseBlobDigest,
} from "./digest.ts";
import { ManagementError } from "./management.ts";

export const MEDIA_TYPES = {
  manifest: "application/vnd.docker.distribution.manifest.v2+json",
  config: "application/vnd.docker.container.image.v1+json",
} as const;

/** Models in many files have a few thousand layers. */
export const MANIFEST_BYTES_MAX = 4 * 1024 * 1024;
const LAYERS_MAX = 10_000;
const BLOB_BYTES_MAX = 2 ** 44;

export interface Layer {
  /** The last part of Ollama's media type (model, template, params …), or the whole of another one. */
  readonly kind: string;
  readonly digest: BlobDigest;
  readonly sizeBytes: number;
  /** The model or file that it was made from. */
  readonly from?: string;
}

export interface Manifest {
  readonly digest: ManifestDigest;
  readonly mediaType: string;
  readonly config: Layer;
  readonly layers: readonly Layer[];
}

const OLLAMA_PREFIX = "application/vnd.ollama.image.";
/** What a registry may send; the second is OCI's, which may leave its own name out. */
export const MANIFEST_TYPES = [
  MEDIA_TYPES.manifest,
  "application/vnd.oci.image.manifest.v1+json",
] as const;

const layerSchema = z.object({
  mediaType: z.string().regex(/^[a-z]+\/[A-Za-z0-9.+_-]{1,200}$/, "is no media type"),
  digest: z
    .string()
    .max(100)
    .transform((text, context): BlobDigest => {
      const digest = text.startsWith("sha256:") ? parseBlobDigest(text) : undefined;
      if (digest) return digest;
      context.addIssue({ code: "custom", message: "is no SHA-256 digest" });
      return z.NEVER;
    }),
  size: z.int().nonnegative().max(BLOB_BYTES_MAX),
  from: z.string().max(4_096).optional(),
});

const manifestSchema = z.object({
  schemaVersion: z.literal(2),
  mediaType: z.enum(MANIFEST_TYPES, "is no manifest's").default(MANIFEST_TYPES[1]),
  config: layerSchema,
  layers: z.array(layerSchema).min(1).max(LAYERS_MAX),
});

/** Throws MANIFEST_INVALID with what is wrong and where. The digest is that of the bytes as they are. */
export function parseManifest(bytes: Uint8Array): Manifest {
  if (bytes.length > MANIFEST_BYTES_MAX) {
    throw new ManagementError(
      "MANIFEST_INVALID",
      `a manifest of ${bytes.length} bytes is too large`,
    );
  }
  const parsed = manifestSchema.safeParse(parseJson(Buffer.from(bytes).toString("utf8")));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const place = issue?.path.map(String).join(".") || "manifest";
    throw new ManagementError("MANIFEST_INVALID", `${place}: ${issue?.message}`);
  }
  return {
    digest: manifestDigestOf(bytes),
    mediaType: parsed.data.mediaType,
    config: layerOf(parsed.data.config),
    layers: parsed.data.layers.map(layerOf),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ManagementError("MANIFEST_INVALID", "it is no JSON", { cause });
  }
}

function layerOf(raw: z.output<typeof layerSchema>): Layer {
  const { mediaType, digest, size, from } = raw;
  const kind = mediaType.startsWith(OLLAMA_PREFIX)
    ? mediaType.slice(OLLAMA_PREFIX.length)
    : mediaType;
  return { kind, digest, sizeBytes: size, ...(from !== undefined && { from }) };
}

/**
 * A manifest that is made here, as Ollama writes one, newline included. The same model gives the same bytes on every node,
 * hence the same digest: it holds nothing of the place or the time.
 */
export function formatManifest(parts: {
  readonly config: Pick<Layer, "digest" | "sizeBytes">;
  readonly layers: readonly Layer[];
}): Uint8Array {
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.manifest,
    config: formatLayer(MEDIA_TYPES.config, parts.config),
    layers: parts.layers.map((layer) => formatLayer(mediaTypeOf(layer), layer)),
  };
  return Buffer.from(`${JSON.stringify(manifest)}\n`);
}

function formatLayer(
  mediaType: string,
  { digest, sizeBytes, from }: Pick<Layer, "digest" | "sizeBytes" | "from">,
): Readonly<Record<string, unknown>> {
  const layer = { mediaType, digest: formatDigest(digest), size: sizeBytes };
  return from === undefined ? layer : { ...layer, from };
}

function mediaTypeOf({ kind }: Layer): string {
  return kind.includes("/") ? kind : `${OLLAMA_PREFIX}${kind}`;
}

/** Each blob once, since a layer may be named twice. */
export function blobsOf(manifest: Manifest): Layer[] {
  const blobs = new Map<BlobDigest, Layer>();
  for (const layer of [manifest.config, ...manifest.layers]) blobs.set(layer.digest, layer);
  return [...blobs.values()];
}

export function totalBytes(manifest: Manifest): number {
  return [manifest.config, ...manifest.layers].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}
