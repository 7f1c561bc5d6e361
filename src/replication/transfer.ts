import type { Clock } from "../core/clock.ts";
import type { ManifestDigest } from "../core/digest.ts";
import { blobsOf, type Manifest } from "../core/manifest.ts";
import type { ModelName } from "../core/model-name.ts";
import type { NodeId } from "../core/node-id.ts";
import type { BlobPieces } from "../core/pieces.ts";
import type { TransferView } from "../core/transfers.ts";
import type { Source } from "./source.ts";
import { Speed } from "./speed.ts";

/** Keeps account of one copy, for whoever watches. */
export class Transfer {
  readonly model: ManifestDigest;
  readonly name: ModelName;
  readonly sources = new Map<NodeId, Source>();
  manifest: { readonly bytes: Uint8Array; readonly parsed: Manifest } | undefined;
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #speed: Speed;
  readonly #startMs: number;
  /** Of blobs that are whole. */
  #wholeBytes = 0;
  #arriving: BlobPieces | undefined;

  constructor(model: ManifestDigest, name: ModelName, clock: Pick<Clock, "nowMs">) {
    this.model = model;
    this.name = name;
    this.#clock = clock;
    this.#startMs = clock.nowMs();
    this.#speed = new Speed(this.#startMs);
  }

  arriving(pieces: BlobPieces): void {
    this.#arriving = pieces;
  }

  whole(sizeBytes: number): void {
    this.#arriving = undefined;
    this.#wholeBytes += sizeBytes;
  }

  received(bytes: number): void {
    this.#speed.add(bytes, this.#clock.nowMs());
  }

  view(): TransferView {
    const nowMs = this.#clock.nowMs();
    const blobs = this.manifest ? blobsOf(this.manifest.parsed) : [];
    const totalBytes = blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const doneBytes = this.#wholeBytes + (this.#arriving?.doneBytes ?? 0);
    const bytesPerSecond = this.#speed.bytesPerSecond(nowMs);
    const hasRate = bytesPerSecond >= 1 && totalBytes > 0;
    return {
      model: this.model,
      name: this.name,
      totalBytes,
      doneBytes,
      bytesPerSecond,
      ...(hasRate && { remainingMs: ((totalBytes - doneBytes) / bytesPerSecond) * 1_000 }),
      runningMs: nowMs - this.#startMs,
      sources: [...this.sources.values()]
        .filter(({ receivedBytes }) => receivedBytes > 0)
        .map(({ node, receivedBytes, speed }) => ({
          node,
          receivedBytes,
          bytesPerSecond: speed.bytesPerSecond(nowMs),
        })),
    };
  }
}
