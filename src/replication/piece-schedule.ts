import type { NodeId } from "../core/node-id.ts";
import type { Random } from "../core/random.ts";
import { isSet } from "./bitmap.ts";
import type { Ask } from "./blob-peer.ts";
import { type Have, OFFER_MAX } from "./wire.ts";

/**
 * Which pieces of a blob to ask of whom. Pure: it is told what happens, and what time it is.
 *
 * A source that has room for another request takes what is missing, what it has, and what nobody is asked for, in this order:
 *
 * 1. The rarest first: of what few have, another copy is worth most, to this node and to those that wait for it.
 * 2. Of equals, the next from the start when nobody else downloads (the file is hashed from the start), else from a random
 *    place on, so that nodes which begin together get different pieces and can go on from each other.
 * 3. While others download too (`relays`), a source that has all is not asked for what they have or will have: so it gives
 *    each piece once. It is offered more pieces than wanted and picks those that it has given to nobody; what it leaves out
 *    is on its way to somebody, and is asked of it again only after a while (`RELAY_PATIENCE_MS`). The caller may lift
 *    that for a source: when relays are far slower than it.
 * 4. When nothing is left that nobody is asked for, a source that is free doubles the oldest request, if that has taken
 *    longer than `repeatAfterMs`: the last pieces shall not wait for the slowest. A piece is asked of two at most.
 *
 * A fast source is free sooner and so gets more: no shares are worked out.
 */
const RELAY_PATIENCE_MS = 10_000;
const AGAIN_INTERVAL_MS = 1_000;
const ASKED_MAX = 2;

export interface Chance {
  readonly nowMs: number;
  readonly count: number;
  /** Whether others may have what this source has all of. */
  readonly relays: boolean;
  readonly repeatAfterMs: number;
}

interface Asked {
  readonly ask: Ask;
  readonly node: NodeId;
  readonly sinceMs: number;
}

export class PieceSchedule {
  readonly #count: number;
  readonly #random: Random;
  readonly #there: Uint8Array;
  readonly #sources = new Map<NodeId, Have>();
  /** How many of those that do not have all have it. */
  readonly #relays: Uint16Array;
  /** Until when a source that has all is not asked for what it has given to others; 0: it has not said so. */
  readonly #givenUntilMs = new Map<NodeId, Float64Array>();
  readonly #asked = new Map<number, Asked[]>();
  #missing: number;
  /** Nothing is missing before it. */
  #first = 0;

  constructor(count: number, has: (piece: number) => boolean, random: Random) {
    this.#count = count;
    this.#random = random;
    this.#there = Uint8Array.from({ length: count }, (_, piece) => (has(piece) ? 1 : 0));
    this.#missing = count - this.#there.reduce((sum, there) => sum + there, 0);
    this.#relays = new Uint16Array(count);
  }

  get missing(): number {
    return this.#missing;
  }

  has(node: NodeId): Have | undefined {
    return this.#sources.get(node);
  }

  /** Undefined: it is none any more. */
  setSource(node: NodeId, have: Have | undefined): void {
    this.#countRelay(this.#sources.get(node), -1);
    this.#countRelay(have, 1);
    if (have === undefined) this.#sources.delete(node);
    else this.#sources.set(node, have);
    if (have !== "whole") this.#givenUntilMs.delete(node);
  }

  /** What to ask of the source now; what is offered counts as asked until `granted` or `release`. */
  take(node: NodeId, chance: Chance): Ask | undefined {
    const have = this.#sources.get(node);
    if (have === undefined || this.#missing === 0) return undefined;
    const ask = this.#newAsk(node, have, chance) ?? this.#repeat(node, have, chance);
    if (!ask) return undefined;
    const asked = { ask, node, sinceMs: chance.nowMs };
    for (const piece of ask.offered) {
      this.#asked.set(piece, [...(this.#asked.get(piece) ?? []), asked]);
    }
    return ask;
  }

  /** The source will send these of what it was offered. */
  granted(node: NodeId, ask: Ask, pieces: readonly number[], nowMs: number): void {
    const chosen = new Set(pieces);
    const isExhausted = ask.again || chosen.size < ask.count;
    const untilMs = nowMs + (ask.again ? AGAIN_INTERVAL_MS : RELAY_PATIENCE_MS);
    const given = this.#givenUntilMs.get(node);
    for (const piece of ask.offered) {
      if (chosen.has(piece)) continue;
      this.#drop(piece, ask);
      if (isExhausted && given) given[piece] = untilMs;
    }
  }

  /** False: it had come already. */
  received(piece: number): boolean {
    if (this.#there[piece]) return false;
    this.#there[piece] = 1;
    this.#missing--;
    this.#asked.delete(piece);
    while (this.#first < this.#count && this.#there[this.#first]) this.#first++;
    return true;
  }

  /** What has not come of it by now will not come. */
  release(ask: Ask): void {
    for (const piece of ask.offered) this.#drop(piece, ask);
  }

  #newAsk(node: NodeId, have: Have, { nowMs, count, relays }: Chance): Ask | undefined {
    if (have !== "whole" || !relays) {
      const isThere = (piece: number): boolean => have === "whole" || isSet(have, piece);
      const offered = this.#rarest(count, relays, isThere);
      return offered.length > 0 ? { offered, count: offered.length, again: true } : undefined;
    }
    const untilMs = this.#givenUntilMs.get(node) ?? new Float64Array(this.#count);
    this.#givenUntilMs.set(node, untilMs);
    const isOnlyThere = (piece: number): boolean => this.#relays[piece] === 0;
    const isFresh = (piece: number): boolean => isOnlyThere(piece) && untilMs[piece] === 0;
    const fresh = this.#rarest(OFFER_MAX, relays, isFresh);
    if (fresh.length > 0) return { offered: fresh, count, again: false };
    const isLate = (piece: number): boolean => isOnlyThere(piece) && (untilMs[piece] ?? 0) <= nowMs;
    const late = this.#rarest(OFFER_MAX, relays, isLate);
    return late.length > 0 ? { offered: late, count: 1, again: true } : undefined;
  }

  /** Up to so many that are missing and asked of nobody. */
  #rarest(max: number, relays: boolean, isWanted: (piece: number) => boolean): number[] {
    const start = relays ? Math.floor(this.#random.next() * this.#count) : this.#first;
    const byRarity: number[][] = [];
    for (let step = 0; step < this.#count; step++) {
      const piece = (start + step) % this.#count;
      if (this.#there[piece] || this.#asked.has(piece) || !isWanted(piece)) continue;
      const rarity = this.#relays[piece] ?? 0;
      const equals = byRarity[rarity] ?? [];
      byRarity[rarity] = equals;
      if (equals.length < max) equals.push(piece);
      if (rarity === 0 && equals.length === max) break;
    }
    return byRarity.flat().slice(0, max);
  }

  #repeat(node: NodeId, have: Have, { nowMs, repeatAfterMs }: Chance): Ask | undefined {
    let oldest: { readonly piece: number; readonly sinceMs: number } | undefined;
    for (const [piece, asked] of this.#asked) {
      const [first] = asked;
      if (!first || asked.length >= ASKED_MAX || first.node === node) continue;
      if (have !== "whole" && !isSet(have, piece)) continue;
      if (nowMs - first.sinceMs <= repeatAfterMs) continue;
      if (!oldest || first.sinceMs < oldest.sinceMs) oldest = { piece, sinceMs: first.sinceMs };
    }
    return oldest && { offered: [oldest.piece], count: 1, again: true };
  }

  #drop(piece: number, ask: Ask): void {
    const rest = (this.#asked.get(piece) ?? []).filter((asked) => asked.ask !== ask);
    if (rest.length > 0) this.#asked.set(piece, rest);
    else this.#asked.delete(piece);
  }

  #countRelay(have: Have | undefined, by: 1 | -1): void {
    if (have === undefined || have === "whole") return;
    for (let piece = 0; piece < this.#count; piece++) {
      if (isSet(have, piece)) this.#relays[piece] = (this.#relays[piece] ?? 0) + by;
    }
  }
}
