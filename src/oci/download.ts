import { type BlobPieces, pieceRange } from "../core/pieces.ts";
import type { Waiting } from "../core/ports.ts";
import { openBlobRange } from "./blob-range.ts";
import { firstGap, PARTS_AT_ONCE_MAX, planParts, type Span } from "./part-plan.ts";
import { cutPieces } from "./piece-cutter.ts";
import type { Repository } from "./repository.ts";
import { type Moving, whileMoving } from "./stall-guard.ts";
import { type TryDeps, withTries } from "./tries.ts";

/** The server answered a range with the whole blob. */
class RangesIgnored extends Error {}

/**
 * Fetches the pieces of a blob that are missing, the parts side by side. A server that knows no ranges is asked once for the
 * whole instead, of which the pieces that are there already are skipped.
 */
export class Download {
  readonly #repository: Repository;
  readonly #pieces: BlobPieces;
  readonly #deps: TryDeps;
  /** What came of pieces that are not whole yet, by part. */
  readonly #pendingBytes = new Map<Span, number>();

  constructor(repository: Repository, pieces: BlobPieces, deps: TryDeps) {
    this.#repository = repository;
    this.#pieces = pieces;
    this.#deps = deps;
  }

  get completedBytes(): number {
    const { doneBytes, blob } = this.#pieces;
    const pendingBytes = [...this.#pendingBytes.values()].reduce((sum, bytes) => sum + bytes, 0);
    return Math.min(doneBytes + pendingBytes, blob.sizeBytes);
  }

  async run(o: Waiting): Promise<void> {
    const { blob, count } = this.#pieces;
    try {
      await this.#fetchParts(planParts(blob.sizeBytes), o);
    } catch (error) {
      o.signal.throwIfAborted();
      if (!(error instanceof RangesIgnored)) throw error;
      await this.#fetchWhole({ first: 0, end: count }, o);
    }
  }

  /** The first failure ends all; nothing runs any more when it has settled. */
  async #fetchParts(parts: readonly Span[], { signal }: Waiting): Promise<void> {
    const failed = new AbortController();
    const o = { signal: AbortSignal.any([signal, failed.signal]) };
    const queue = parts.values();
    const work = async (): Promise<void> => {
      try {
        for (const part of queue) await this.#fetchPart(part, o);
      } catch (error) {
        failed.abort(error);
      }
    };
    await Promise.all(Array.from({ length: Math.min(PARTS_AT_ONCE_MAX, parts.length) }, work));
    o.signal.throwIfAborted();
  }

  async #fetchPart(part: Span, o: Waiting): Promise<void> {
    const has = (piece: number): boolean => this.#pieces.has(piece);
    for (let gap = firstGap(part, has); gap; gap = firstGap(part, has)) {
      const missing = gap;
      let written = 0;
      await withTries(
        async () => {
          // What came before the last try failed is there.
          const rest = firstGap(missing, has);
          if (rest) await this.#fetch(rest, o, () => written++);
        },
        this.#deps,
        { ...o, progress: () => written },
      );
    }
  }

  async #fetchWhole(whole: Span, o: Waiting): Promise<void> {
    let written = 0;
    await withTries(() => this.#fetch(whole, o, () => written++), this.#deps, {
      ...o,
      progress: () => written,
    });
  }

  /** One question for a span, and its pieces into the store as they come. */
  async #fetch(span: Span, { signal }: Waiting, onPiece: () => void): Promise<void> {
    const { blob } = this.#pieces;
    const asked = {
      start: pieceRange(blob, span.first).start,
      end: pieceRange(blob, span.end - 1).end,
    };
    try {
      await whileMoving(this.#deps.clock, { signal }, async (o) => {
        using reply = await openBlobRange(this.#repository, blob, asked, o);
        const { range } = reply;
        if (range.start !== asked.start || range.end !== asked.end) throw new RangesIgnored();
        const chunks = this.#counted(span, reply.body, o);
        for await (const { piece, bytes } of cutPieces(blob, range, chunks)) {
          if (!this.#pieces.has(piece)) {
            await this.#pieces.write(piece, bytes, o);
            onPiece();
            o.touch();
          }
          this.#addPending(span, -bytes.length);
        }
      });
    } finally {
      this.#pendingBytes.delete(span);
    }
  }

  async *#counted(
    span: Span,
    chunks: AsyncIterable<Uint8Array>,
    o: Moving,
  ): AsyncIterable<Uint8Array> {
    for await (const chunk of chunks) {
      o.touch();
      this.#addPending(span, chunk.length);
      yield chunk;
    }
  }

  #addPending(span: Span, bytes: number): void {
    this.#pendingBytes.set(span, (this.#pendingBytes.get(span) ?? 0) + bytes);
  }
}
