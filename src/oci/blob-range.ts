import type { BlobId } from "../core/pieces.ts";
import type { Waiting } from "../core/ports.ts";
import { invalid } from "./errors.ts";
import type { Incoming } from "./http.ts";
import { type ByteRange, parseContentRange } from "./part-plan.ts";
import type { Repository } from "./repository.ts";

/** Bytes of a blob as they come; `range` is what they are, which is the whole blob where a server knows no ranges. */
export interface BlobRange extends Disposable {
  readonly range: ByteRange;
  readonly body: AsyncIterable<Uint8Array>;
}

/**
 * Asks for a range of a blob. Each range goes by the registry, which may answer itself, as OCI's do, or redirect, as Ollama's
 * does: so a link that has expired is never used again. What the answer claims to be is checked before a byte is taken.
 */
export async function openBlobRange(
  repository: Repository,
  blob: BlobId,
  asked: ByteRange,
  o: Waiting,
): Promise<BlobRange> {
  const { start, end } = asked;
  const reply = await repository.session.request(
    {
      method: "GET",
      url: repository.blobUrl(blob.digest),
      headers: { "Accept-Encoding": "identity", Range: `bytes=${start}-${end - 1}` },
    },
    o,
  );
  try {
    if (reply.status !== 200 && reply.status !== 206) throw await repository.refusal(reply);
    const range = rangeOf(reply, blob, asked);
    checkHeaders(reply, range);
    return { range, body: reply.body, [Symbol.dispose]: () => reply[Symbol.dispose]() };
  } catch (error) {
    reply[Symbol.dispose]();
    throw error;
  }
}

function rangeOf({ status, headers, url }: Incoming, blob: BlobId, asked: ByteRange): ByteRange {
  if (status === 200) return { start: 0, end: blob.sizeBytes };
  const text = headers["content-range"] ?? "";
  const range = parseContentRange(text);
  const isAsked =
    range?.start === asked.start &&
    range.end === asked.end &&
    (range.sizeBytes ?? blob.sizeBytes) === blob.sizeBytes;
  if (isAsked) return asked;
  const wanted = `bytes ${asked.start}-${asked.end - 1}/${blob.sizeBytes}`;
  throw invalid(`${url.host} sent the wrong range: want ${wanted}, got ${text.slice(0, 100)}`);
}

function checkHeaders({ headers, url }: Incoming, { start, end }: ByteRange): void {
  const type = headers["content-type"] ?? "";
  if (/^text\/html\b/i.test(type)) throw invalid(`${url.host} sent a web page instead of the blob`);
  const encoding = headers["content-encoding"] ?? "identity";
  if (encoding.toLowerCase() !== "identity") throw invalid(`${url.host} sent the blob encoded`);
  const length = headers["content-length"];
  if (length !== undefined && Number(length) !== end - start) {
    throw invalid(`${url.host} sent the wrong length: want ${end - start}, got ${length}`);
  }
}
