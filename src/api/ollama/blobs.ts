import type { Context } from "hono";
import type { Clock } from "../../core/clock.ts";
import { type BlobDigest, formatDigest, parseBlobDigest } from "../../core/digest.ts";
import type { PartialBlob, Waiting } from "../../core/ports.ts";
import type { RouteContext } from "../deps.ts";
import { HttpError } from "../http/http-error.ts";
import { type ApiEnv, requestSignal } from "../http/request-signal.ts";

/** Larger than any model's file; the disk ends sooner. */
const BLOB_BYTES_MAX = 2 ** 44;
/** A client that sends nothing for so long will not go on. */
const STALL_MS = 60_000;
const DIGEST = /^sha256[:-][0-9a-fA-F]{64}$/;

/** HEAD and POST /api/blobs/:digest: is it here, and take it. */
export async function blob(c: Context<ApiEnv>, context: RouteContext): Promise<Response> {
  const digest = wantedDigest(c.req.param("digest") ?? "");
  const found = await context.blobs.stat(digest);
  if (c.req.method === "HEAD") {
    if (found) return new Response(null, { status: 200 });
    throw new HttpError(404, `blob "${formatDigest(digest)}" not found`);
  }
  if (found) return new Response(null, { status: 200 });
  await take(c.req.raw, digest, context, { signal: requestSignal(c) });
  return new Response(null, { status: 201 });
}

/** In Ollama's two forms only: this becomes a file's name. */
function wantedDigest(text: string): BlobDigest {
  const digest = DIGEST.test(text) ? parseBlobDigest(text) : undefined;
  if (!digest) throw new HttpError(400, "invalid digest format");
  return digest;
}

/** Straight to the disk, whatever its Content-Type says. Whatever ends it early leaves nothing. */
async function take(
  request: Request,
  expected: BlobDigest,
  { blobs, clock }: Pick<RouteContext, "blobs" | "clock">,
  o: Waiting,
): Promise<void> {
  if (Number(request.headers.get("content-length") ?? 0) > BLOB_BYTES_MAX) throw tooLarge();
  await using partial = await blobs.create({ ...o, expected });
  await receive(request, partial, clock, o);
  await partial.commit(o);
}

async function receive(
  request: Request,
  partial: PartialBlob,
  clock: Clock,
  o: Waiting,
): Promise<void> {
  const reader = request.body?.getReader();
  if (!reader) return;
  let sizeBytes = 0;
  try {
    for (;;) {
      const { done, value } = await beforeStall(reader.read(), clock);
      if (done) break;
      sizeBytes += value.length;
      if (sizeBytes > BLOB_BYTES_MAX) throw tooLarge();
      await partial.write(value, o);
    }
  } catch (error) {
    // Whoever reads no further tells the sender so; one that has gone does not hear it.
    reader.cancel().catch(() => {});
    throw request.signal.aborted ? new HttpError(499, "request canceled") : error;
  }
  o.signal.throwIfAborted();
}

async function beforeStall<T>(next: Promise<T>, clock: Clock): Promise<T> {
  const read = new AbortController();
  const stalled = clock.sleep(STALL_MS, read.signal).then(
    () => {
      throw new HttpError(408, `no byte of the blob came for ${STALL_MS / 1_000} s`);
    },
    () => next,
  );
  try {
    return await Promise.race([next, stalled]);
  } finally {
    read.abort();
  }
}

function tooLarge(): HttpError {
  return new HttpError(413, "the blob is too large: at most 16 TiB are accepted");
}
