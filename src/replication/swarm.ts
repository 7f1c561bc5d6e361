import type { Clock } from "../core/clock.ts";
import { isAborted, messageOf } from "../core/errors.ts";
import type { NodeId } from "../core/node-id.ts";
import { type BlobId, type BlobPieces, PIECE_BYTES } from "../core/pieces.ts";
import type { Waiting } from "../core/ports.ts";
import type { Random } from "../core/random.ts";
import type { Ask, Piece } from "./blob-peer.ts";
import { ReplicationError } from "./errors.ts";
import type { Pace } from "./pace.ts";
import type { PieceHasher } from "./piece-hasher.ts";
import { hashOf } from "./piece-hashes.ts";
import { PieceSchedule } from "./piece-schedule.ts";
import type { Source } from "./source.ts";
import { PIECES_PER_REQUEST_MAX } from "./wire.ts";

export interface SwarmDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly pace: Pace;
  readonly hasher: PieceHasher;
  /** Whoever can be asked now; others may come and go. */
  readonly sources: () => readonly Source[];
  readonly onPiece: (source: Source, bytes: number) => void;
  /** It broke the protocol: no more of it for this blob. */
  readonly onLiar: (source: Source, problem: string) => void;
}

export interface SwarmOptions {
  /** With nothing new for so long, it is given up. */
  readonly patienceMs: number;
}

/** Each source always has a next request waiting while it answers one. */
const REQUESTS_PER_SOURCE_MAX = 2;
/**
 * Each holds two pieces: one that comes, one that is checked and written. One of eight receivers took 177 MiB with six and 164
 * with three, which were no slower.
 */
const REQUESTS_MAX = 3;
/** So that nobody runs ahead with what others could go on from. */
const RELAYED_PER_REQUEST_MAX = 4;
const RELAYED_PIECES_MIN = 8;
/** A request shall take about so long. */
const REQUEST_MS = 250;
/** What a node that still downloads has changes all the time; many of them are asked less often. */
const LOOK_INTERVAL_MS = { min: 150, perSource: 15 } as const;
const REPEAT_AFTER_MS = 2_000;
/** Relays that share a processor with many others are slow, and a second copy of the origin would make them slower. */
const REPEAT_RELAYED_AFTER_MS = 10_000;
/** Relays are slow when one that has all is so much faster than all of them. */
const DIRECT_RATIO = 4;
const RELAYS_LEARNED_AFTER_MS = 5_000;

/**
 * Brings the missing pieces of one blob from all sources at once. Each is checked against its hash in one list of hashes. The
 * list itself may be wrong; so whose bytes do not match it is asked no more, but accused only: who is to blame is known when
 * the whole has come, or has not.
 */
export class Swarm {
  readonly #blob: BlobId;
  readonly #pieces: BlobPieces;
  readonly #hashes: Uint8Array;
  readonly #deps: SwarmDeps;
  readonly #options: SwarmOptions;
  readonly #schedule: PieceSchedule;
  readonly accused = new Set<NodeId>();
  readonly #liars = new Set<NodeId>();
  readonly #looked = new Map<NodeId, number>();
  readonly #running = new Set<Promise<void>>();
  #requests = 0;
  #lastNewsMs: number;
  #relaysSinceMs: number | undefined;
  #news = Promise.withResolvers<void>();
  #failure: unknown;

  constructor(pieces: BlobPieces, hashes: Uint8Array, options: SwarmOptions, deps: SwarmDeps) {
    this.#blob = pieces.blob;
    this.#pieces = pieces;
    this.#hashes = hashes;
    this.#options = options;
    this.#deps = deps;
    this.#schedule = new PieceSchedule(pieces.count, (piece) => pieces.has(piece), deps.random);
    this.#lastNewsMs = deps.clock.nowMs();
  }

  /** Resolves when every piece is there; NO_SOURCE when nobody is left to ask. */
  async run({ signal }: Waiting): Promise<void> {
    const stopping = new AbortController();
    const o = { signal: AbortSignal.any([signal, stopping.signal]) };
    try {
      while (this.#schedule.missing > 0) {
        this.#look(o);
        this.#request(o);
        this.#expectHope();
        await this.#pause(o);
        signal.throwIfAborted();
        if (this.#failure !== undefined) break;
      }
    } finally {
      stopping.abort();
      await Promise.all(this.#running);
    }
    // Also that of the last piece, which was on its way to the disk when the others were there.
    if (this.#failure !== undefined) throw this.#failure;
  }

  get #nowMs(): number {
    return this.#deps.clock.nowMs();
  }

  #usable(): Source[] {
    return this.#deps
      .sources()
      .filter(({ node }) => !this.accused.has(node) && !this.#liars.has(node));
  }

  /** Asks what they have, unless they told lately. */
  #look(o: Waiting): void {
    const usable = this.#usable();
    const nodes = new Set(usable.map(({ node }) => node));
    for (const node of this.#looked.keys()) if (!nodes.has(node)) this.#forget(node);
    for (const source of usable) {
      const lookedMs = this.#looked.get(source.node) ?? Number.NEGATIVE_INFINITY;
      if (source.isResting || this.#nowMs - lookedMs < this.#lookIntervalMs()) continue;
      this.#looked.set(source.node, Number.POSITIVE_INFINITY);
      this.#start(source, async () => {
        const { sizeBytes, have } = await source.peer.state(this.#blob.digest, o);
        if (sizeBytes !== this.#blob.sizeBytes) throw notHere();
        this.#told(source, have);
      });
    }
  }

  #lookIntervalMs(): number {
    const { min, perSource } = LOOK_INTERVAL_MS;
    return Math.max(min, perSource * this.#looked.size);
  }

  #told(source: Source, have: "whole" | Uint8Array): void {
    if (!this.#looked.has(source.node)) return; // It went meanwhile.
    this.#schedule.setSource(source.node, have);
    this.#looked.set(source.node, have === "whole" ? Number.POSITIVE_INFINITY : this.#nowMs);
    if (have !== "whole") this.#relaysSinceMs ??= this.#nowMs;
  }

  #forget(node: NodeId): void {
    this.#schedule.setSource(node, undefined);
    this.#looked.delete(node);
  }

  /** The fastest first, one request each, then the next. */
  #request(o: Waiting): void {
    const ready = this.#usable()
      .filter(({ isResting }) => !isResting)
      .sort((a, b) => (a.pieceMs ?? 0) - (b.pieceMs ?? 0));
    const mayRelay = this.#mayRelay();
    for (let round = 0; round < REQUESTS_PER_SOURCE_MAX; round++) {
      for (const source of ready) {
        if (this.#requests >= REQUESTS_MAX) return;
        if (source.active > round) continue;
        const relays = mayRelay && !this.#isFarFaster(source);
        const ask = this.#schedule.take(source.node, {
          nowMs: this.#nowMs,
          count: countFor(source, relays ? RELAYED_PER_REQUEST_MAX : PIECES_PER_REQUEST_MAX),
          relays,
          repeatAfterMs: Math.max(
            relays ? REPEAT_RELAYED_AFTER_MS : REPEAT_AFTER_MS,
            2 * (source.pieceMs ?? 0),
          ),
        });
        if (ask) this.#start(source, () => this.#fetch(source, ask, o));
      }
    }
  }

  /** Whether there is anybody who does not have all, as far as we know: they may be about to begin. Small blobs do not wait. */
  #mayRelay(): boolean {
    if (this.#pieces.count < RELAYED_PIECES_MIN) return false;
    return this.#usable().some(({ node }) => this.#schedule.has(node) !== "whole");
  }

  #isFarFaster(source: Source): boolean {
    if (this.#relaysSinceMs === undefined || source.pieceMs === undefined) return false;
    if (this.#nowMs - this.#relaysSinceMs < RELAYS_LEARNED_AFTER_MS) return false;
    const relays = this.#usable().filter(({ node }) => node !== source.node);
    const relayed = relays.reduce((sum, { speed }) => sum + speed.bytesPerSecond(this.#nowMs), 0);
    return (PIECE_BYTES / source.pieceMs) * 1_000 > DIRECT_RATIO * relayed;
  }

  async #fetch(source: Source, ask: Ask, o: Waiting): Promise<void> {
    this.#requests++;
    source.active++;
    /** The piece before: checked and written while the next one comes. */
    let before: Promise<void> = Promise.resolve();
    try {
      const onHead = (pieces: readonly number[], have: "whole" | Uint8Array): void => {
        this.#schedule.granted(source.node, ask, pieces, this.#nowMs);
        this.#told(source, have);
        if (pieces.length === 0 && ask.again) throw notHere();
        this.#wake();
      };
      let sinceMs = this.#nowMs;
      const take = (sizeBytes: number): Uint8Array => this.#deps.hasher.take(sizeBytes);
      // Part by part: a whole piece that comes at full speed keeps the event loop busy for as long as a short answer takes.
      const onBytes = (sizeBytes: number): Promise<void> => this.#deps.pace.take(sizeBytes, o);
      const asking = { ...o, onHead, take, onBytes };
      for await (const piece of source.peer.pieces(this.#blob, ask, asking)) {
        const tookMs = this.#nowMs - sinceMs;
        await before;
        before = this.#keep(source, piece, tookMs, o);
        before.catch(() => {}); // It is awaited before the next piece, or at the end.
        sinceMs = this.#nowMs;
      }
      await before;
    } finally {
      await before.catch(() => {}); // Whatever it was has been thrown already, or what has come before matters more.
      this.#schedule.release(ask);
      this.#requests--;
      source.active--;
    }
  }

  async #keep(source: Source, piece: Piece, tookMs: number, o: Waiting): Promise<void> {
    try {
      await this.#checkAndWrite(source, piece, tookMs, o);
    } finally {
      this.#deps.hasher.give(piece.bytes);
    }
  }

  async #checkAndWrite(source: Source, { piece, bytes }: Piece, tookMs: number, o: Waiting) {
    const hash = await this.#deps.hasher.hash(bytes);
    if (Buffer.compare(hash, hashOf(this.#hashes, piece)) !== 0) {
      this.accused.add(source.node);
      this.#forget(source.node);
      throw new ReplicationError("PEER_LIED", `piece ${piece} has another hash`);
    }
    source.received(bytes.length, tookMs);
    this.#lastNewsMs = this.#nowMs;
    if (!this.#schedule.received(piece)) return;
    try {
      await this.#pieces.write(piece, bytes, o);
    } catch (error) {
      if (!isAborted(error)) this.#failure ??= error;
      throw error;
    }
    this.#deps.onPiece(source, bytes.length);
  }

  /** Nothing of what fails here ends the whole, but for the disk. */
  #start(source: Source, action: () => Promise<void>): void {
    const running = action()
      .catch((error: unknown) => this.#failed(source, error))
      .finally(() => {
        this.#running.delete(running);
        this.#wake();
      });
    this.#running.add(running);
  }

  #failed(source: Source, error: unknown): void {
    const { node } = source;
    if (this.#failure !== undefined || isAborted(error) || this.accused.has(node)) return;
    if (this.#looked.has(node)) this.#looked.set(node, this.#nowMs);
    const code = error instanceof ReplicationError ? error.code : undefined;
    if (code === "PEER_BUSY") {
      source.busy();
      return;
    }
    // What it has is asked of others as long as it does not tell again that it has it.
    this.#schedule.setSource(node, undefined);
    if (code === "NOT_HERE") return;
    if (code !== "PEER_LIED") {
      source.failed(error);
    } else if (!this.#liars.has(node)) {
      this.#liars.add(node);
      this.#forget(node);
      this.#deps.onLiar(source, messageOf(error));
    }
  }

  #expectHope(): void {
    const isOver = this.#nowMs - this.#lastNewsMs > this.#options.patienceMs;
    const sources = this.#deps.sources();
    const isEmpty = sources.length > 0 && this.#usable().length === 0 && this.#running.size === 0;
    if (!isOver && !isEmpty) return;
    throw new ReplicationError(
      "NO_SOURCE",
      `nobody has the ${this.#schedule.missing} pieces that are missing of blob ${this.#blob.digest}`,
      { details: { sources: sources.length, accused: this.accused.size, liars: this.#liars.size } },
    );
  }

  #wake(): void {
    this.#news.resolve();
  }

  /** Until something happens, or it is time to look again. */
  async #pause(o: Waiting): Promise<void> {
    const nap = new AbortController();
    const sleep = this.#deps.clock
      .sleep(this.#lookIntervalMs(), AbortSignal.any([o.signal, nap.signal]))
      .catch(() => {});
    await Promise.race([sleep, this.#news.promise]);
    this.#news = Promise.withResolvers();
    nap.abort();
    await sleep;
  }
}

function countFor({ pieceMs }: Source, max: number): number {
  if (pieceMs === undefined) return 1;
  return Math.max(1, Math.min(max, Math.round(REQUEST_MS / Math.max(1, pieceMs))));
}

function notHere(): ReplicationError {
  return new ReplicationError("NOT_HERE", "the peer has nothing of what is missing");
}
