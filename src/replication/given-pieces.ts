import type { Clock } from "../core/clock.ts";
import type { BlobDigest } from "../core/digest.ts";

interface Given {
  readonly times: Map<number, number>;
  usedMs: number;
}

const BLOBS_MAX = 64;
/** A blob that nobody asks for is forgotten: the next ones to ask may not know those who got it. */
const FORGET_AFTER_MS = 60_000;

export interface Offer {
  readonly pieces: readonly number[];
  readonly count: number;
  /** Also what somebody has got already. */
  readonly again: boolean;
}

/**
 * What this node has given of its blobs. Many nodes that want one blob of a single holder shall each get another part of it,
 * and the rest from each other: so a holder gives what it has given least, as super-seeding in BitTorrent does (BEP 16).
 */
export class GivenPieces {
  readonly #blobs = new Map<BlobDigest, Given>();
  readonly #clock: Pick<Clock, "nowMs">;

  constructor(clock: Pick<Clock, "nowMs">) {
    this.#clock = clock;
  }

  /** Of those offered that are here, the ones given least, in the order of the offer; they count as given from now on. */
  choose(blob: BlobDigest, offer: Offer, has: (piece: number) => boolean): number[] {
    const { times } = this.#of(blob);
    const timesOf = (piece: number): number => times.get(piece) ?? 0;
    const chosen = [...new Set(offer.pieces)]
      .filter((piece) => has(piece) && (offer.again || timesOf(piece) === 0))
      .sort((a, b) => timesOf(a) - timesOf(b))
      .slice(0, offer.count);
    for (const piece of chosen) times.set(piece, timesOf(piece) + 1);
    return chosen;
  }

  #of(blob: BlobDigest): Given {
    const nowMs = this.#clock.nowMs();
    const known = this.#blobs.get(blob);
    this.#blobs.delete(blob);
    const isFresh = known && nowMs - known.usedMs < FORGET_AFTER_MS;
    const given = isFresh ? known : { times: new Map<number, number>(), usedMs: nowMs };
    given.usedMs = nowMs;
    this.#blobs.set(blob, given);
    for (const oldest of this.#blobs.keys()) {
      if (this.#blobs.size <= BLOBS_MAX) break;
      this.#blobs.delete(oldest);
    }
    return given;
  }
}
