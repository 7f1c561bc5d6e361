import { AppError } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import type { NodeId } from "../core/node-id.ts";
import { type BlobId, type BlobPieces, type PieceStore, pieceCount } from "../core/pieces.ts";
import type { BlobStore, Waiting } from "../core/ports.ts";
import { sample } from "../core/random.ts";
import { ReplicationError } from "./errors.ts";
import { type HashList, hashLists } from "./hash-lists.ts";
import { hashOf, type PieceHashes } from "./piece-hashes.ts";
import { Swarm, type SwarmDeps } from "./swarm.ts";

export type BlobCopyStores = Pick<BlobStore, "stat"> & PieceStore;

export interface BlobCopyOptions {
  readonly patienceMs: number;
}

/** What a peer did that no honest one does. */
export type Offence = "wrong_bytes" | "wrong_hashes" | "wrong_manifest" | "protocol";

export interface BlobCopyDeps extends Omit<SwarmDeps, "onLiar"> {
  readonly blobs: BlobCopyStores;
  readonly hashes: PieceHashes;
  readonly log: Logger;
  readonly onOffence: (node: NodeId, offence: Offence, problem: string) => void;
  /** The pieces as they come, to be watched. */
  readonly onOpen: (pieces: BlobPieces) => void;
}

const LOOK_AGAIN_MS = 500;

/**
 * Copies one blob from those that have it.
 *
 * Steps:
 * 1. Ask holders of the whole for its list of hashes. Lists may differ: the one with the most givers is tried first.
 * 2. Bring the pieces, each checked against the list (see Swarm).
 * 3. The SHA-256 of the whole is right: so was the list, and whoever sent other bytes is reported.
 * 4. It is wrong: so was the list, and its givers are reported, unless there was something from an earlier run: then the same
 *    list is tried again from the start. Everything goes, the next list is tried.
 * 5. Nobody is left whose bytes match the list: the next list is tried, and nobody is reported, for nobody knows. What two
 *    lists agree on stays.
 */
export class BlobCopy {
  readonly #blob: BlobId;
  readonly #options: BlobCopyOptions;
  readonly #deps: BlobCopyDeps;
  /** By which the pieces that are there were checked, as far as we know. */
  #lastList: HashList | undefined;

  constructor(blob: BlobId, options: BlobCopyOptions, deps: BlobCopyDeps) {
    this.#blob = blob;
    this.#options = options;
    this.#deps = deps;
  }

  async run(o: Waiting): Promise<void> {
    const lists = pieceCount(this.#blob.sizeBytes) === 0 ? [EMPTY] : await this.#lists(o);
    let failure: unknown;
    for (const list of lists) {
      try {
        if (await this.#tryTwice(list, o)) {
          for (const other of lists) if (other !== list) this.#blame(other);
          return;
        }
        failure = this.#blame(list);
      } catch (error) {
        if (!(error instanceof ReplicationError) || error.code !== "NO_SOURCE") throw error;
        failure = error;
      }
    }
    throw failure;
  }

  /** What came of an earlier run, or by another list, may be wrong itself: then the list gets a second chance. */
  async #tryTwice(list: HashList, o: Waiting): Promise<boolean> {
    const result = await this.#try(list, o);
    return result === "resumed wrong" ? (await this.#try(list, o)) === "whole" : result === "whole";
  }

  async #try(list: HashList, o: Waiting): Promise<"whole" | "wrong" | "resumed wrong"> {
    const { hashes, onOffence, onOpen } = this.#deps;
    await using pieces = await this.#open(list, o);
    if (!pieces) return "whole";
    onOpen(pieces);
    const isResumed = pieces.doneBytes > 0;
    const onLiar = ({ node }: { readonly node: NodeId }, problem: string): void =>
      onOffence(node, "protocol", problem);
    const swarm = new Swarm(pieces, list.hashes, this.#options, { ...this.#deps, onLiar });
    const accuse = (): void => {
      for (const node of swarm.accused) onOffence(node, "wrong_bytes", "a piece has another hash");
    };
    this.#lastList = list;
    try {
      await swarm.run(o);
      await pieces.commit(o);
    } catch (error) {
      if (list.givers.length === 0) accuse(); // The list is the blob's own digest.
      if (!(error instanceof AppError)) throw error;
      const { code }: AppError = error;
      if (code === "DISK_FULL") await pieces.discard();
      if (code !== "DIGEST_MISMATCH") throw error;
      return isResumed ? "resumed wrong" : "wrong";
    }
    accuse();
    await hashes.keep(this.#blob, list.hashes);
    return "whole";
  }

  #blame({ givers }: HashList): ReplicationError {
    const problem = `these are the hashes of another blob than ${this.#blob.digest}`;
    for (const node of givers) this.#deps.onOffence(node, "wrong_hashes", problem);
    return new ReplicationError("NO_SOURCE", "no list of hashes leads to the blob");
  }

  /** Holders may come later, too. */
  async #lists(o: Waiting): Promise<readonly HashList[]> {
    const { clock, random, sources } = this.#deps;
    const untilMs = clock.nowMs() + this.#options.patienceMs;
    for (;;) {
      const all = sources();
      const lists = await hashLists(this.#blob, sample(random, all, all.length), {
        ...o,
        log: this.#deps.log,
      });
      if (lists.length > 0) return lists;
      if (clock.nowMs() >= untilMs) {
        const problem = `nobody has the hashes of blob ${this.#blob.digest}`;
        throw new ReplicationError("NO_SOURCE", problem);
      }
      await clock.sleep(LOOK_AGAIN_MS, o.signal);
    }
  }

  /** Undefined when the blob is here. Another transfer may be writing it: then what that leaves is taken up. */
  async #open(list: HashList, o: Waiting): Promise<BlobPieces | undefined> {
    const { clock, blobs } = this.#deps;
    const untilMs = clock.nowMs() + this.#options.patienceMs;
    for (;;) {
      if ((await blobs.stat(this.#blob.digest))?.sizeBytes === this.#blob.sizeBytes)
        return undefined;
      try {
        const pieces = await blobs.openPieces(this.#blob, o);
        if (!this.#lastList || agree(pieces, this.#lastList, list)) return pieces;
        await pieces.discard();
        this.#lastList = undefined;
      } catch (error) {
        const isBusy = error instanceof AppError && error.code === "BLOB_BUSY";
        if (!isBusy || clock.nowMs() >= untilMs) throw error;
        await clock.sleep(LOOK_AGAIN_MS, o.signal);
      }
    }
  }
}

/** Whether every piece that is there has one hash in both lists. */
function agree(pieces: BlobPieces, a: HashList, b: HashList): boolean {
  for (let piece = 0; piece < pieces.count; piece++) {
    if (!pieces.has(piece)) continue;
    if (Buffer.compare(hashOf(a.hashes, piece), hashOf(b.hashes, piece)) !== 0) return false;
  }
  return true;
}

const EMPTY: HashList = { hashes: new Uint8Array(0), givers: [] };
