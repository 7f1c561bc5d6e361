import type { Clock } from "../core/clock.ts";
import type { ManifestDigest } from "../core/digest.ts";
import { isAborted, messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import type { Counter, Metrics } from "../core/metrics.ts";
import type { PeerStream, PeerStreams, Waiting } from "../core/ports.ts";
import { BufferPool } from "./buffer-pool.ts";
import { ReplicationError } from "./errors.ts";
import { GivenPieces } from "./given-pieces.ts";
import { Holding, type LocalBlobs, PART_BYTES } from "./holding.ts";
import type { Pace } from "./pace.ts";
import type { PieceHashes } from "./piece-hashes.ts";
import { decodeRequest, encodeHead, HASH_BYTES, type Head, type Request } from "./wire.ts";

export interface ServeBlobsDeps {
  readonly streams: Pick<PeerStreams, "handle">;
  readonly blobs: LocalBlobs;
  readonly hashes: PieceHashes;
  /** Of a model that is here, or that is being copied to here. */
  readonly manifest: (digest: ManifestDigest, o: Waiting) => Promise<Uint8Array | undefined>;
  readonly pace: Pace;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Logger;
}

/** Each holds two parts of a piece. */
const SERVED_MAX = 16;
const PARTS_KEPT_MAX = 8;
/** While hashes are made: well within any caller's patience. */
const AT_WORK_INTERVAL_MS = 5_000;
const AT_WORK = new Uint8Array(0);
const HASH_PART_BYTES = 256 * 1024;

/** Gives peers what this node has of blobs, until disposed. Who has joined the mesh may ask. */
export function serveBlobs(deps: ServeBlobsDeps): Disposable {
  const sent = deps.metrics.counter({
    name: "ollamamax_replication_sent_bytes_total",
    help: "Bytes of models that peers got from this node.",
  });
  const given = new GivenPieces(deps.clock);
  const served = { count: 0 };
  const parts = new BufferPool({
    bufferBytes: PART_BYTES,
    keptMax: PARTS_KEPT_MAX,
    make: (bytes) => new ArrayBuffer(bytes),
  });
  return deps.streams.handle("blob", (stream) =>
    new Answer(stream, { ...deps, sent, given, served, parts }).run(),
  );
}

interface AnswerDeps extends ServeBlobsDeps {
  readonly sent: Counter;
  readonly given: GivenPieces;
  /** Requests for pieces that are being answered. */
  readonly served: { count: number };
  readonly parts: BufferPool;
}

class Answer {
  readonly #stream: PeerStream;
  readonly #deps: AnswerDeps;
  readonly #o: Waiting;
  #hasHead = false;

  constructor(stream: PeerStream, deps: AnswerDeps) {
    this.#stream = stream;
    this.#deps = deps;
    this.#o = { signal: stream.signal };
  }

  /** One that fails after its head is reset: the mesh does that to a stream that has not ended. */
  async run(): Promise<void> {
    try {
      const bytes = await this.#stream.receive(this.#o);
      if (bytes === null) return;
      await this.#answer(decodeRequest(bytes));
      await this.#stream.receive(this.#o);
    } catch (error) {
      if (this.#o.signal.aborted || isAborted(error)) return;
      const problem = messageOf(error);
      this.#deps.log.debug({ peer: this.#stream.peer, problem }, "a peer got nothing of a blob");
      if (this.#hasHead) return;
      // When the peer has gone there is nobody to tell.
      await this.#end(failureHead(error)).catch(() => {});
    }
  }

  async #answer(request: Request): Promise<void> {
    switch (request.call) {
      case "manifest": {
        const bytes = await this.#deps.manifest(request.manifest, this.#o);
        if (!bytes) throw notHere();
        await this.#head({ reply: "manifest", sizeBytes: bytes.length });
        await this.#send(bytes);
        break;
      }
      case "state": {
        const { blob, have } = await this.#holding(request);
        await this.#head({ reply: "state", sizeBytes: blob.sizeBytes, have });
        break;
      }
      case "hashes":
        await this.#hashes(await this.#holding(request));
        break;
      case "pieces":
        await this.#piecesInTurn(request);
        break;
    }
    await this.#stream.end(this.#o);
  }

  /** Only of a whole blob: what is arriving is not known to be right as a whole. */
  async #hashes(holding: Holding): Promise<void> {
    if (holding.have !== "whole") throw notHere();
    const list = await this.#whileAtWork(this.#deps.hashes.make(holding.blob, this.#o));
    await this.#head({ reply: "hashes", count: list.length / HASH_BYTES });
    for (let start = 0; start < list.length; start += HASH_PART_BYTES) {
      await this.#send(list.subarray(start, start + HASH_PART_BYTES));
    }
  }

  async #piecesInTurn(request: Request & { readonly call: "pieces" }): Promise<void> {
    const { served } = this.#deps;
    if (served.count >= SERVED_MAX) return await this.#head({ reply: "busy" });
    served.count++;
    try {
      await this.#pieces(await this.#holding(request), request);
    } finally {
      served.count--;
    }
  }

  async #pieces(holding: Holding, request: Request & { readonly call: "pieces" }): Promise<void> {
    const { offered, count, again } = request;
    const offer = { pieces: offered, count, again };
    const pieces = this.#deps.given.choose(request.blob, offer, (piece) => holding.has(piece));
    await this.#head({ reply: "pieces", pieces, have: holding.have });
    const memory = (sizeBytes: number): Uint8Array => this.#deps.parts.take(sizeBytes);
    for (const piece of pieces) {
      for await (const bytes of holding.read(piece, { ...this.#o, memory })) {
        await this.#sendPaced(bytes);
      }
    }
  }

  /** The memory is used again when every part of it has gone. */
  async #sendPaced(bytes: Uint8Array): Promise<void> {
    const { pace, sent, parts } = this.#deps;
    let users = 1;
    const leave = (): void => {
      if (--users === 0) parts.give(bytes);
    };
    for (let start = 0; start < bytes.length; ) {
      const part = bytes.subarray(start, start + pace.stepBytes());
      await pace.take(part.length, this.#o);
      users++;
      await this.#stream.send(part, { ...this.#o, onSent: leave });
      sent.add({}, part.length);
      start += part.length;
    }
    leave();
  }

  async #holding(request: Request & { readonly call: "state" | "hashes" | "pieces" }) {
    const holding = await Holding.of(request.blob, this.#deps.blobs);
    if (!holding) throw notHere();
    if (request.call !== "state") holding.expectSize(request.sizeBytes);
    return holding;
  }

  async #whileAtWork<T>(work: Promise<T>): Promise<T> {
    const done = new AbortController();
    const telling = this.#tellAtWork(AbortSignal.any([done.signal, this.#o.signal]));
    try {
      return await work;
    } finally {
      done.abort();
      await telling.catch(() => {}); // A stream that broke shows that at the next message.
    }
  }

  async #tellAtWork(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#deps.clock.sleep(AT_WORK_INTERVAL_MS, signal);
      await this.#send(AT_WORK);
    }
  }

  async #head(head: Head): Promise<void> {
    this.#hasHead = true;
    await this.#send(encodeHead(head));
  }

  async #end(head: Head): Promise<void> {
    this.#hasHead = true;
    await this.#stream.end(this.#o, encodeHead(head));
  }

  #send(bytes: Uint8Array): Promise<void> {
    return this.#stream.send(bytes, this.#o);
  }
}

function notHere(): ReplicationError {
  return new ReplicationError("NOT_HERE", "this node has no such thing");
}

function failureHead(error: unknown): Head {
  if (error instanceof ReplicationError && error.code === "NOT_HERE") return { reply: "absent" };
  return { reply: "error", message: messageOf(error).slice(0, 1_000) };
}
