import type { Clock } from "../core/clock.ts";
import type { BlobDigest, ManifestDigest } from "../core/digest.ts";
import type { ClusterBlob, ClusterFiles } from "../core/distribution.ts";
import { messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import type { NodeId } from "../core/node-id.ts";
import { type BlobId, PIECE_BYTES, pieceRange } from "../core/pieces.ts";
import type { PeerStreams, Waiting } from "../core/ports.ts";
import { BlobPeer } from "./blob-peer.ts";
import { ReplicationError } from "./errors.ts";

export interface PeerFilesDeps {
  /** This node's own: what is here is not asked for. */
  readonly local: ClusterFiles;
  /** Nodes that can be asked now and hold the model ready. */
  readonly holders: (model: ManifestDigest) => readonly NodeId[];
  readonly streams: Pick<PeerStreams, "open">;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A peer that sends nothing for so long is given up. */
const STALL_MS = 30_000;

/** The files of models, from this node or from one that has them. Bytes are passed on as they come: who wanted them checks. */
export class PeerFiles implements ClusterFiles {
  readonly #deps: PeerFilesDeps;

  constructor(deps: PeerFilesDeps) {
    this.#deps = deps;
  }

  async manifest(model: ManifestDigest, o: Waiting): Promise<Uint8Array | undefined> {
    return (
      (await this.#deps.local.manifest(model, o)) ??
      (await this.#first(this.#peers([model]), o, (peer) => peer.manifest(model, o)))
    );
  }

  async blob(
    digest: BlobDigest,
    models: readonly ManifestDigest[],
    o: Waiting,
  ): Promise<ClusterBlob | undefined> {
    const here = await this.#deps.local.blob(digest, models, o);
    if (here) return here;
    return await this.#first(this.#peers(models), o, async (peer) => {
      const { sizeBytes, have } = await peer.state(digest, o);
      if (have !== "whole") throw new ReplicationError("NOT_HERE", "it is still arriving there");
      const blob = { digest, sizeBytes };
      return { sizeBytes, read: (range, reading) => readRange(peer, blob, range, reading) };
    });
  }

  #peers(models: readonly ManifestDigest[]): readonly BlobPeer[] {
    const nodes = new Set(models.flatMap((model) => this.#deps.holders(model)));
    return [...nodes].map((node) => new BlobPeer(node, { ...this.#deps, stallMs: STALL_MS }));
  }

  /** What the first peer gives that gives something. */
  async #first<T>(
    peers: readonly BlobPeer[],
    { signal }: Waiting,
    ask: (peer: BlobPeer) => Promise<T>,
  ): Promise<T | undefined> {
    for (const peer of peers) {
      try {
        return await ask(peer);
      } catch (error) {
        signal.throwIfAborted();
        this.#deps.log.debug({ peer: peer.node, problem: messageOf(error) }, "a peer gave no file");
      }
    }
    return undefined;
  }
}

async function* readRange(
  peer: BlobPeer,
  blob: BlobId,
  { start, end }: { readonly start: number; readonly end: number },
  o: Waiting,
): AsyncIterable<Uint8Array> {
  for (let position = start; position < end; ) {
    const piece = Math.floor(position / PIECE_BYTES);
    const range = pieceRange(blob, piece);
    const ask = { offered: [piece], count: 1, again: true };
    let arrived = false;
    for await (const { bytes } of peer.pieces(blob, ask, { ...o, onHead: () => {} })) {
      yield bytes.subarray(position - range.start, Math.min(end, range.end) - range.start);
      position = Math.min(end, range.end);
      arrived = true;
    }
    if (!arrived) throw new ReplicationError("NOT_HERE", "the peer has the piece no more");
  }
}
