import type { Clock } from "../core/clock.ts";
import { type BlobDigest, type ManifestDigest, manifestDigestOf } from "../core/digest.ts";
import { MANIFEST_BYTES_MAX } from "../core/manifest.ts";
import type { NodeId } from "../core/node-id.ts";
import { type BlobId, pieceCount } from "../core/pieces.ts";
import type { PeerStream, PeerStreams, Waiting } from "../core/ports.ts";
import { withTimeout } from "../core/with-timeout.ts";
import { bitmapBytes } from "./bitmap.ts";
import { ReplicationError } from "./errors.ts";
import { PieceMemory } from "./piece-memory.ts";
import {
  decodeHead,
  encodeRequest,
  HASH_BYTES,
  type Have,
  type Head,
  type Request,
} from "./wire.ts";

export interface BlobPeerDeps {
  readonly streams: Pick<PeerStreams, "open">;
  readonly clock: Clock;
  /** So long a peer may send nothing. */
  readonly stallMs: number;
}

export interface Ask {
  readonly offered: readonly number[];
  readonly count: number;
  readonly again: boolean;
}

export interface Piece {
  readonly piece: number;
  readonly bytes: Uint8Array;
}

/** Five seconds each: the largest blob's hashes take minutes. */
const AT_WORK_MESSAGES_MAX = 1_000;

/**
 * A peer as a holder of blobs. Whatever breaks the protocol is PEER_LIED: too few bytes, too many, or none that were asked for.
 * Whether bytes are the right ones is for the caller to check, but for manifests, which name themselves.
 */
export class BlobPeer {
  readonly node: NodeId;
  readonly #deps: BlobPeerDeps;

  constructor(node: NodeId, deps: BlobPeerDeps) {
    this.node = node;
    this.#deps = deps;
  }

  manifest(manifest: ManifestDigest, o: Waiting): Promise<Uint8Array> {
    return this.#ask({ call: "manifest", manifest }, o, async (stream, head) => {
      if (head.reply !== "manifest") throw unexpected(head);
      if (head.sizeBytes > MANIFEST_BYTES_MAX) throw lied("a manifest that is too large");
      const bytes = await this.#bytes(stream, head.sizeBytes, o);
      if (manifestDigestOf(bytes) !== manifest) throw lied("another manifest");
      return bytes;
    });
  }

  state(
    blob: BlobDigest,
    o: Waiting,
  ): Promise<{ readonly sizeBytes: number; readonly have: Have }> {
    return this.#ask({ call: "state", blob }, o, async (_stream, head) => {
      if (head.reply !== "state") throw unexpected(head);
      return { sizeBytes: head.sizeBytes, have: checked(head.have, pieceCount(head.sizeBytes)) };
    });
  }

  /** One after the other, `HASH_BYTES` each. */
  hashes({ digest, sizeBytes }: BlobId, o: Waiting): Promise<Uint8Array> {
    return this.#ask({ call: "hashes", blob: digest, sizeBytes }, o, async (stream, head) => {
      if (head.reply !== "hashes") throw unexpected(head);
      const count = pieceCount(sizeBytes);
      if (head.count !== count) throw lied(`${head.count} hashes for ${count} pieces`);
      return await this.#bytes(stream, count * HASH_BYTES, o);
    });
  }

  /**
   * `onHead` is told which pieces will come, and what the peer has now; `take` gives memory for each, and that of a piece which
   * has not come whole is to be used no more; `onBytes` may hold up what comes next.
   */
  async *pieces(
    { digest, sizeBytes }: BlobId,
    ask: Ask,
    o: Waiting & {
      readonly onHead: (pieces: readonly number[], have: Have) => void;
      readonly take?: (sizeBytes: number) => Uint8Array;
      readonly onBytes?: (sizeBytes: number) => Promise<void>;
    },
  ): AsyncIterable<Piece> {
    await using stream = await this.#send(
      { call: "pieces", blob: digest, sizeBytes, ...mutable(ask) },
      o,
    );
    const head = await this.#head(stream, o);
    if (head.reply !== "pieces") throw unexpected(head);
    const { pieces } = head;
    const isAsked = pieces.every((piece) => ask.offered.includes(piece));
    if (!isAsked || new Set(pieces).size < pieces.length || pieces.length > ask.count) {
      throw lied("pieces that nobody asked for");
    }
    o.onHead(pieces, checked(head.have, pieceCount(sizeBytes)));
    const memory = new PieceMemory({ sizeBytes }, pieces, o.take);
    memory.skip(stream.putInto((lengthBytes) => memory.place(lengthBytes)));
    for (const [index, piece] of pieces.entries()) {
      const bytes = await this.#fill(stream, memory.of(index), o, o.onBytes);
      memory.leave(index);
      yield { piece, bytes };
    }
    await this.#expectEnd(stream, o);
  }

  async #ask<T>(
    request: Request,
    o: Waiting,
    read: (stream: PeerStream, head: Head) => Promise<T>,
  ): Promise<T> {
    await using stream = await this.#send(request, o);
    const result = await read(stream, await this.#head(stream, o));
    await this.#expectEnd(stream, o);
    return result;
  }

  async #send(request: Request, o: Waiting): Promise<PeerStream> {
    const stream = await this.#deps.streams.open(this.node, "blob", o);
    try {
      await stream.end(o, encodeRequest(request));
      return stream;
    } catch (error) {
      await stream[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #head(stream: PeerStream, o: Waiting): Promise<Head> {
    for (let count = 0; count < AT_WORK_MESSAGES_MAX; count++) {
      const message = await this.#receive(stream, o);
      if (message === null) throw lied("no answer");
      if (message.length === 0) continue;
      const head = decodeHead(message);
      if (head.reply === "absent") throw new ReplicationError("NOT_HERE", "the peer has it not");
      if (head.reply === "busy") throw new ReplicationError("PEER_BUSY", "the peer is busy");
      return head;
    }
    throw lied("no end of its work");
  }

  #bytes(stream: PeerStream, sizeBytes: number, o: Waiting): Promise<Uint8Array> {
    return this.#fill(stream, Buffer.allocUnsafe(sizeBytes), o);
  }

  /** Usually in parts of a megabyte, and most of them are there already: see PieceMemory. */
  async #fill(
    stream: PeerStream,
    bytes: Uint8Array,
    o: Waiting,
    onBytes?: (sizeBytes: number) => Promise<void>,
  ): Promise<Uint8Array> {
    for (let filled = 0; filled < bytes.length; ) {
      const message = await this.#receive(stream, o);
      if (message === null || message.length === 0) throw lied("too few bytes");
      if (message.length > bytes.length - filled) throw lied("too many bytes");
      if (!isAt(message, bytes, filled)) bytes.set(message, filled);
      filled += message.length;
      await onBytes?.(message.length);
    }
    return bytes;
  }

  async #expectEnd(stream: PeerStream, o: Waiting): Promise<void> {
    if ((await this.#receive(stream, o)) !== null) throw lied("too many bytes");
  }

  #receive(stream: PeerStream, { signal }: Waiting): Promise<Uint8Array | null> {
    const { clock, stallMs } = this.#deps;
    const onTimeout = (): Error =>
      new ReplicationError("PEER_STALLED", `the peer sent nothing in ${stallMs} ms`);
    return withTimeout(clock, { signal, timeoutMs: stallMs, onTimeout }, (inTime) =>
      stream.receive({ signal: inTime }),
    );
  }
}

function isAt(part: Uint8Array, bytes: Uint8Array, offset: number): boolean {
  return part.buffer === bytes.buffer && part.byteOffset === bytes.byteOffset + offset;
}

function mutable({ offered, count, again }: Ask) {
  return { offered: [...offered], count, again };
}

/** A bitmap of another length than the blob has pieces is none of this blob. */
function checked(have: Have, count: number): Have {
  if (have !== "whole" && have.length !== bitmapBytes(count))
    throw lied("a bitmap that does not fit");
  return have;
}

function unexpected(head: Head): ReplicationError {
  if (head.reply === "error") return new ReplicationError("PEER_FAILED", head.message);
  return lied(`${head.reply} where it does not belong`);
}

function lied(what: string): ReplicationError {
  return new ReplicationError("PEER_LIED", `the peer sent ${what}`);
}
