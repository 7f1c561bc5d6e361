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
 * 2. Of equals, the next from the start when every source has all (the file is hashed from the start), else from a random
 *    place on, so that nodes which begin together get different pieces and can go on from each other.
 * 3. A source that has all is not asked for what nodes that are still downloading have or will have: there a copy costs it
 *    what it gives only once. It is offered more pieces than wanted and picks those that it has given to nobody; what it
 *    leaves out is on its way to somebody, and is asked of it again only after a while (`RELAY_PATIENCE_MS`). The caller
 *    may lift all that for a source (`direct`): when relays are far slower than it.
 * 4. When nothing is left that nobody is asked for, a source that is free doubles the oldest request, if that has taken
 *    longer than `repeatAfterMs`: the last pieces shall not wait for the slowest. A piece is asked of two at most.
 *
 * A fast source is free sooner and so gets more: no shares are worked out.
 */
const RELAY_PATIENCE_MS = 3_000;
const ASKED_MAX = 2;

export interface Chance {
  readonly nowMs: number;
  readonly count: number;
  readonly direct: boolean;
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
  /** Until when a piece is expected to come by way of somebody else. */
  readonly #onItsWayUntilMs: Float64Array;
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
    this.#onItsWayUntilMs = new Float64Array(count);
  }

  get missing(): number {
    return this.#missing;
  }

  /** Whether somebody who does not have all has something. */
  get hasRelays(): boolean {
    for (const have of this.#sources.values()) if (have !== "whole") return true;
    return false;
  }

  /** Undefined: it is none any more. */
  setSource(node: NodeId, have: Have | undefined): void {
    this.#countRelay(this.#sources.get(node), -1);
    this.#countRelay(have, 1);
    if (have === undefined) this.#sources.delete(node);
    else this.#sources.set(node, have);
  }

  /** Whether it has anything that is missing. */
  isOfUse(node: NodeId): boolean {
    const have = this.#sources.get(node);
    if (have === undefined || have === "whole") return have !== undefined;
    for (let piece = this.#first; piece < this.#count; piece++) {
      if (!this.#there[piece] && isSet(have, piece)) return true;
    }
    return false;
  }

  /** What to ask of the source now; what is offered counts as asked until `granted` or `release`. */
  take(node: NodeId, chance: Chance): Ask | undefined {
    const have = this.#sources.get(node);
    if (have === undefined || this.#missing === 0) return undefined;
    const ask = this.#newAsk(have, chance) ?? this.#repeat(node, have, chance);
    if (!ask) return undefined;
    const asked = { ask, node, sinceMs: chance.nowMs };
    for (const piece of ask.offered) {
      this.#asked.set(piece, [...(this.#asked.get(piece) ?? []), asked]);
    }
    return ask;
  }

  /** The source will send these of what it was offered. */
  granted(ask: Ask, pieces: readonly number[], nowMs: number): void {
    const chosen = new Set(pieces);
    const isExhausted = !ask.again && chosen.size < ask.count;
    for (const piece of ask.offered) {
      if (chosen.has(piece)) continue;
      this.#drop(piece, ask);
      if (isExhausted) this.#onItsWayUntilMs[piece] = nowMs + RELAY_PATIENCE_MS;
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

  #newAsk(have: Have, { nowMs, count, direct }: Chance): Ask | undefined {
    const isRelayed = have === "whole" && this.hasRelays && !direct;
    if (!isRelayed) {
      const offered = this.#rarest(count, (piece) => have === "whole" || isSet(have, piece));
      return offered.length > 0 ? { offered, count, again: true } : undefined;
    }
    const isOnlyThere = (piece: number): boolean => this.#relays[piece] === 0;
    const untilMs = this.#onItsWayUntilMs;
    const fresh = this.#rarest(OFFER_MAX, (piece) => isOnlyThere(piece) && untilMs[piece] === 0);
    if (fresh.length > 0) return { offered: fresh, count, again: false };
    const late = this.#rarest(
      count,
      (piece) => isOnlyThere(piece) && (untilMs[piece] ?? 0) <= nowMs,
    );
    return late.length > 0 ? { offered: late, count, again: true } : undefined;
  }

  /** Up to so many that are missing and asked of nobody. */
  #rarest(max: number, isWanted: (piece: number) => boolean): number[] {
    const { hasRelays } = this;
    const start = hasRelays ? Math.floor(this.#random.next() * this.#count) : this.#first;
    const byRarity: number[][] = [];
    for (let step = 0; step < this.#count; step++) {
      const piece = (start + step) % this.#count;
      if (this.#there[piece] || this.#asked.has(piece) || !isWanted(piece)) continue;
      const rarity = this.#relays[piece] ?? 0;
      const equals = byRarity[rarity] ?? [];
      byRarity[rarity] = equals;
      if (equals.length < max) equals.push(piece);
      if (!hasRelays && equals.length === max) break;
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
