import type { Context } from "hono";
import {
  type BlobDigest,
  formatDigest,
  type ManifestDigest,
  parseBlobDigest,
  parseManifestDigest,
} from "../../core/digest.ts";
import type { ClusterBlob } from "../../core/distribution.ts";
import { parseManifest } from "../../core/manifest.ts";
import { type ModelName, parseModelName } from "../../core/model-name.ts";
import type { Waiting } from "../../core/ports.ts";
import type { RouteContext } from "../deps.ts";
import { HttpError } from "../http/http-error.ts";
import { type ApiEnv, requestSignal } from "../http/request-signal.ts";
import { rangeOf } from "./byte-range.ts";

/*
 * The cluster as a registry to pull from (OCI distribution specification 1.1, end-1 to end-3, end-8): `NODE/library/x` names the
 * model x. Read-only. Every model that the cluster can serve is there, whichever node holds it.
 */

const PLACE = /^\/v2\/(?<name>.+)\/(?<kind>manifests|blobs|tags)\/(?<reference>[^/]+)$/;
const API_VERSION = { "Docker-Distribution-Api-Version": "registry/2.0" };

/** GET /v2/: that there is a registry. */
export function base(): Response {
  return json("{}", {});
}

/** GET and HEAD /v2/NAME/manifests/REFERENCE, /v2/NAME/blobs/DIGEST and /v2/NAME/tags/list. */
export async function registry(c: Context<ApiEnv>, context: RouteContext): Promise<Response> {
  const { name = "", kind, reference = "" } = PLACE.exec(c.req.path)?.groups ?? {};
  if (kind === "manifests") return await manifest(name, reference, c, context);
  if (kind === "blobs") return await blob(name, reference, c, context);
  if (kind === "tags" && reference === "list") return tags(name, context);
  throw new HttpError(404, "there is no such thing in a registry", { code: "UNSUPPORTED" });
}

async function manifest(
  name: string,
  reference: string,
  c: Context<ApiEnv>,
  context: RouteContext,
): Promise<Response> {
  const digest = parseManifestDigest(reference);
  const versions = versionsOf(name, context);
  const wanted = versions.find((version) =>
    digest === undefined
      ? version.tag.toLowerCase() === reference.toLowerCase()
      : version.manifest === digest,
  );
  const bytes =
    wanted && (await context.files.manifest(wanted.manifest, { signal: requestSignal(c) }));
  if (!wanted || !bytes) throw new HttpError(404, "manifest unknown", { code: "MANIFEST_UNKNOWN" });
  return new Response(c.req.method === "HEAD" ? null : Buffer.from(bytes), {
    headers: {
      ...API_VERSION,
      ...contentOf(wanted.manifest, bytes.length),
      "Content-Type": parseManifest(bytes).mediaType,
    },
  });
}

async function blob(
  name: string,
  reference: string,
  c: Context<ApiEnv>,
  context: RouteContext,
): Promise<Response> {
  const digest = reference.startsWith("sha256:") ? parseBlobDigest(reference) : undefined;
  if (!digest) throw new HttpError(400, "invalid digest", { code: "DIGEST_INVALID" });
  const o = { signal: requestSignal(c) };
  const manifests = versionsOf(name, context).map((version) => version.manifest);
  const found = await context.files.blob(digest, manifests, o);
  if (!found) throw new HttpError(404, "blob unknown", { code: "BLOB_UNKNOWN" });
  const { sizeBytes } = found;
  const range = rangeOf(c.req.header("range"), sizeBytes);
  const common = { ...API_VERSION, "Content-Type": "application/octet-stream" };
  if (range === "none") {
    const headers = { ...common, "Content-Range": `bytes */${sizeBytes}` };
    return new Response(null, { status: 416, headers });
  }
  const { start, end } = range ?? { start: 0, end: sizeBytes };
  const headers = {
    ...common,
    ...contentOf(digest, end - start),
    "Accept-Ranges": "bytes",
    // Ollama's client reads its parts from the address that stands here, and fails where there is none.
    Location: new URL(c.req.url).href,
    ...(range && { "Content-Range": `bytes ${start}-${end - 1}/${sizeBytes}` }),
  };
  const body = c.req.method === "HEAD" ? null : bodyOf(found, { start, end }, o);
  return new Response(body, { status: range ? 206 : 200, headers });
}

function bodyOf(
  found: ClusterBlob,
  range: { readonly start: number; readonly end: number },
  o: Waiting,
): ReadableStream<Uint8Array> {
  return ReadableStream.from(found.read(range, o));
}

function tags(name: string, context: RouteContext): Response {
  const all = versionsOf(name, context).map(({ tag }) => tag);
  if (all.length === 0) throw new HttpError(404, "name unknown", { code: "NAME_UNKNOWN" });
  return json(JSON.stringify({ name, tags: all.sort() }), {});
}

/** Of one name, the tags that the cluster can serve. */
function versionsOf(
  text: string,
  { replicas }: Pick<RouteContext, "replicas">,
): readonly { readonly tag: string; readonly manifest: ManifestDigest }[] {
  const wanted = parseModelName(text);
  if (!wanted || text.includes(":")) {
    throw new HttpError(400, "invalid repository name", { code: "NAME_INVALID" });
  }
  return replicas.models().flatMap(({ record }) => {
    const name = parseModelName(record.name);
    if (!name || !sameRepository(name, wanted)) return [];
    return [{ tag: name.tag, manifest: record.manifest }];
  });
}

function sameRepository(a: ModelName, b: ModelName): boolean {
  const place = ({ host, namespace, model }: ModelName): string =>
    `${host}/${namespace}/${model}`.toLowerCase();
  return place(a) === place(b);
}

function contentOf(
  digest: BlobDigest | ManifestDigest,
  sizeBytes: number,
): Readonly<Record<string, string>> {
  return {
    "Content-Length": String(sizeBytes),
    "Docker-Content-Digest": formatDigest(digest),
    ETag: `"${formatDigest(digest)}"`,
  };
}

function json(text: string, headers: Readonly<Record<string, string>>): Response {
  return new Response(text, {
    headers: { ...API_VERSION, "Content-Type": "application/json", ...headers },
  });
}
