import { createHash } from "node:crypto";
import { formatDigest } from "../core/digest.ts";
import type { Layer } from "../core/manifest.ts";
import { parseModelName } from "../core/model-name.ts";
import type { BlobStore, Waiting } from "../core/ports.ts";
import { invalid, TransferError } from "./errors.ts";
import type { Incoming, OutgoingBody } from "./http.ts";
import { type ByteRange, PARTS_AT_ONCE_MAX, planUpload } from "./part-plan.ts";
import type { Repository } from "./repository.ts";
import { REDIRECTS } from "./session.ts";
import { type Moving, whileMoving } from "./stall-guard.ts";
import { type TryDeps, withTries } from "./tries.ts";

export interface UploadDeps extends TryDeps {
  readonly blobs: Pick<BlobStore, "read">;
}

/** What a registry may take to write a part that it has received. */
const PART_IDLE_MS = 120_000;
/** And to hash a whole blob. */
const FINISH_IDLE_MS = 900_000;
/** PATCH is what a registry may lack; one PUT of the whole is what every one has (OCI Distribution 1.1, "Pushing blobs"). */
const NO_CHUNKS: ReadonlySet<number> = new Set([405, 501]);
const EMPTY: OutgoingBody = { sizeBytes: 0, async *open() {} };
const BYTES = { "Content-Type": "application/octet-stream" };

/**
 * Sends one blob as Ollama does (server/upload.go): parts by PATCH, one after the other, each of which the registry takes
 * itself or sends on by 307 to a place that takes it by PUT, at the same time as others.
 */
export class Upload {
  readonly #repository: Repository;
  readonly #layer: Layer;
  readonly #deps: UploadDeps;
  /** What has been sent of each part, by its start. */
  readonly #sentBytes = new Map<number, number>();
  /** The MD5 of each part, which Ollama's registry compares with that of its store. */
  readonly #sums = new Map<number, Buffer>();
  /** Announces bodies, so that a redirect costs none; a proxy may refuse that (RFC 9110 §15.5.18). */
  #expects = true;

  constructor(repository: Repository, layer: Layer, deps: UploadDeps) {
    this.#repository = repository;
    this.#layer = layer;
    this.#deps = deps;
  }

  get sentBytes(): number {
    return [...this.#sentBytes.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  async run({ signal }: Waiting): Promise<void> {
    const first = await this.#begin({ signal });
    if (!first) return;
    const failed = new AbortController();
    const o = { signal: AbortSignal.any([signal, failed.signal]) };
    const elsewhere = new Set<Promise<void>>();
    try {
      const next = await this.#sendParts(first, o, async (part, target) => {
        if (elsewhere.size === PARTS_AT_ONCE_MAX) await Promise.race(elsewhere);
        const sent = this.#putPart(part, target, o)
          .catch((error: unknown) => failed.abort(error))
          .finally(() => elsewhere.delete(sent));
        elsewhere.add(sent);
      });
      await Promise.all(elsewhere);
      o.signal.throwIfAborted();
      if (next) await this.#finish(next, o);
    } catch (error) {
      failed.abort(error);
      throw o.signal.reason;
    } finally {
      await Promise.all(elsewhere);
    }
  }

  /** Where to send the first part; undefined when the registry takes the blob from another of its models. */
  async #begin(o: Waiting): Promise<URL | undefined> {
    const { digest, from } = this.#layer;
    const url = this.#repository.uploadsUrl();
    const source = from === undefined ? undefined : parseModelName(from);
    if (source) {
      url.searchParams.append("mount", formatDigest(digest));
      url.searchParams.append("from", `${source.namespace}/${source.model}`);
    }
    const post = { method: "POST", url, headers: {}, body: EMPTY } as const;
    return await this.#trying(o, PART_IDLE_MS, async (tryO) => {
      using reply = await this.#repository.accepted(post, tryO);
      return reply.status === 201 ? undefined : this.#nextUrl(reply);
    });
  }

  /** Where to finish; undefined when that is done. `onRedirect` resolves when the next part may be sent. */
  async #sendParts(
    first: URL,
    o: Waiting,
    onRedirect: (part: ByteRange, target: URL) => Promise<void>,
  ): Promise<URL | undefined> {
    let url = first;
    for (const part of planUpload(this.#layer.sizeBytes)) {
      const sent = await this.#patchPart(part, url, o);
      if (sent === "no chunks") {
        if (part.start > 0) throw invalid("the registry takes the first part and no other");
        await this.#putWhole(url, o);
        return undefined;
      }
      url = sent.next;
      if (sent.target) await onRedirect(part, sent.target);
    }
    return url;
  }

  async #patchPart(
    part: ByteRange,
    first: URL,
    o: Waiting,
  ): Promise<{ readonly next: URL; readonly target?: URL } | "no chunks"> {
    let at = { url: first, start: part.start };
    let tried = false;
    return await this.#trying(o, PART_IDLE_MS, async (tryO) => {
      if (tried) at = await this.#whereItStands(part, at.url, tryO);
      tried = true;
      if (at.start === part.end) return { next: at.url };
      const { url, start } = at;
      const headers = {
        ...BYTES,
        "Content-Range": `${start}-${part.end - 1}`,
        "X-Redirect-Uploads": "1",
        ...(this.#expects && { Expect: "100-continue" }),
      };
      const body = this.#bytesOf(part, start, tryO.touch);
      const outgoing = { method: "PATCH", url, headers, body } as const;
      using reply = await this.#repository.session.request(outgoing, tryO);
      if (NO_CHUNKS.has(reply.status)) return "no chunks";
      if (reply.status === 417 && this.#expects) {
        this.#expects = false;
        throw new TransferError("REFUSED", "417: bytes are to come unannounced");
      }
      const { location } = reply.headers;
      if (REDIRECTS.has(reply.status) && location !== undefined) {
        this.#sentBytes.delete(part.start);
        return { next: this.#nextUrl(reply, url), target: this.#resolved(location, reply) };
      }
      if (reply.status >= 300) throw await this.#repository.refusal(reply);
      return { next: this.#nextUrl(reply, url) };
    });
  }

  /** After a failure a registry may have kept what came; one that does not say gets the part again from its start. */
  async #whereItStands(
    part: ByteRange,
    url: URL,
    o: Waiting,
  ): Promise<{ readonly url: URL; readonly start: number }> {
    const asked = { method: "GET", url, headers: {} } as const;
    using reply = await this.#repository.session.request(asked, o);
    const last = /^(?:bytes=)?0-(\d{1,15})$/.exec(reply.headers.range ?? "")?.[1];
    const start = last === undefined ? part.start : Number(last) + 1;
    const isInside = start > part.start && start <= part.end;
    if (reply.status !== 204 || !isInside) return { url, start: part.start };
    return { url: this.#nextUrl(reply, url), start };
  }

  async #putPart(part: ByteRange, url: URL, o: Waiting): Promise<void> {
    await this.#trying(o, PART_IDLE_MS, async (tryO) => {
      const body = this.#bytesOf(part, part.start, tryO.touch);
      const outgoing = { method: "PUT", url, headers: BYTES, body } as const;
      using _reply = await this.#repository.accepted(outgoing, tryO);
    });
  }

  async #putWhole(begun: URL, o: Waiting): Promise<void> {
    const url = new URL(begun);
    url.searchParams.append("digest", formatDigest(this.#layer.digest));
    await this.#putPart({ start: 0, end: this.#layer.sizeBytes }, url, o);
  }

  /** The registry hashes what it has. One that says nothing may have done it. */
  async #finish(begun: URL, o: Waiting): Promise<void> {
    const url = new URL(begun);
    url.searchParams.append("digest", formatDigest(this.#layer.digest));
    url.searchParams.append("etag", this.#etag());
    const outgoing = { method: "PUT", url, headers: BYTES, body: EMPTY } as const;
    let tried = false;
    await this.#trying(o, FINISH_IDLE_MS, async (tryO) => {
      if (tried && (await this.#repository.hasBlob(this.#layer.digest, tryO))) return;
      tried = true;
      using _reply = await this.#repository.accepted(outgoing, tryO);
    });
  }

  /** As S3 makes the tag of a multipart upload. */
  #etag(): string {
    const parts = planUpload(this.#layer.sizeBytes);
    const hash = createHash("md5");
    for (const { start } of parts) hash.update(this.#sums.get(start) ?? "");
    return `${hash.digest("hex")}-${parts.length}`;
  }

  #bytesOf(part: ByteRange, start: number, touch: () => void): OutgoingBody {
    return {
      sizeBytes: part.end - start,
      open: (o) => this.#read(part, start, { ...o, touch }),
    };
  }

  /**
   * From `start` on; what lies before it in the part is in its sum all the same. The sum is there before the last bytes are
   * given out: whoever has received those may answer before anybody asks for more.
   */
  async *#read(part: ByteRange, start: number, o: Moving): AsyncIterable<Uint8Array> {
    const { digest } = this.#layer;
    const hash = createHash("md5");
    this.#sentBytes.set(part.start, start - part.start);
    if (start > part.start) {
      const before = { start: part.start, end: start };
      for await (const bytes of this.#deps.blobs.read(digest, before, o)) hash.update(bytes);
    }
    let at = start;
    if (at === part.end) this.#sums.set(part.start, hash.digest());
    for await (const bytes of this.#deps.blobs.read(digest, { start, end: part.end }, o)) {
      hash.update(bytes);
      at += bytes.length;
      if (at === part.end) this.#sums.set(part.start, hash.digest());
      yield bytes;
      this.#sentBytes.set(part.start, (this.#sentBytes.get(part.start) ?? 0) + bytes.length);
      o.touch();
    }
  }

  #trying<T>({ signal }: Waiting, idleMs: number, action: (o: Moving) => Promise<T>): Promise<T> {
    const { clock } = this.#deps;
    const attempt = (): Promise<T> => whileMoving(clock, { signal, idleMs }, action);
    return withTries(attempt, this.#deps, { signal });
  }

  /** Where the upload goes on. Ollama's registry says it beside the Location of a redirect. */
  #nextUrl(reply: Incoming, unless?: URL): URL {
    const { headers, status } = reply;
    const own = headers["docker-upload-location"];
    const named = REDIRECTS.has(status) ? own : (own ?? headers.location);
    if (typeof named === "string") return this.#resolved(named, reply);
    if (unless) return unless;
    throw invalid("the registry does not say where to upload to");
  }

  #resolved(location: string, { url }: Incoming): URL {
    const target = URL.parse(location, url.href);
    if (!target) throw invalid(`${url.host} redirects to what is no address`);
    return this.#repository.session.checked(target);
  }
}
