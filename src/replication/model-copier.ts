import type { Clock } from "../core/clock.ts";
import type { ManifestDigest } from "../core/digest.ts";
import type { ManifestShelf } from "../core/distribution.ts";
import { isAborted, messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import { blobsOf, type Manifest, parseManifest } from "../core/manifest.ts";
import type { Counter, Metrics } from "../core/metrics.ts";
import { formatFullName, type ModelName } from "../core/model-name.ts";
import type { NodeId } from "../core/node-id.ts";
import type { PeerStreams, Waiting } from "../core/ports.ts";
import { type Random, sample } from "../core/random.ts";
import type { TransferView } from "../core/transfers.ts";
import { BlobCopy, type BlobCopyStores, type Offence } from "./blob-copy.ts";
import { BlobPeer } from "./blob-peer.ts";
import { ReplicationError } from "./errors.ts";
import type { Pace } from "./pace.ts";
import { PieceHasher } from "./piece-hasher.ts";
import type { PieceHashes } from "./piece-hashes.ts";
import { Source } from "./source.ts";
import { Transfer } from "./transfer.ts";

export interface CopyRequest {
  readonly model: ManifestDigest;
  /** The name that it gets here. */
  readonly name: ModelName;
  /** Nodes that have it, or some of it, as of now: asked again and again while the copy runs. */
  readonly holders: () => readonly NodeId[];
}

export interface BadPeer {
  readonly node: NodeId;
  readonly model: ManifestDigest;
  readonly offence: Offence;
  readonly problem: string;
}

export interface ModelCopierOptions {
  /** With nothing new for so long, a copy fails. */
  readonly patienceMs: number;
  /** A peer that sends nothing for so long has stalled. */
  readonly stallMs: number;
}

export const COPIER_OPTIONS: ModelCopierOptions = { patienceMs: 90_000, stallMs: 30_000 };

export interface ModelCopierDeps {
  readonly streams: Pick<PeerStreams, "open">;
  readonly blobs: BlobCopyStores;
  readonly shelf: Pick<ManifestShelf, "install" | "reserve">;
  readonly hashes: PieceHashes;
  /** How fast this node takes pieces. */
  readonly pace: Pace;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** A peer sent what no honest one sends. */
  readonly onBadPeer: (peer: BadPeer) => void;
}

const SOURCES_MAX = 32;
const LOOK_AGAIN_MS = 500;

/** Copies models to this node from those that have them. A copy that was cut off is taken up where it was. */
export class ModelCopier {
  readonly #options: ModelCopierOptions;
  readonly #deps: ModelCopierDeps;
  readonly #transfers = new Map<ManifestDigest, Transfer>();
  readonly #received: Counter;
  readonly #offences: Counter;
  readonly #copies: Counter;

  constructor(options: ModelCopierOptions, deps: ModelCopierDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#received = deps.metrics.counter({
      name: "ollamamax_replication_received_bytes_total",
      help: "Bytes of models that this node got from peers and that were right.",
    });
    this.#offences = deps.metrics.counter({
      name: "ollamamax_replication_bad_peers_total",
      help: "Peers that were dropped for what they sent, by what that was.",
      labels: ["offence"],
    });
    this.#copies = deps.metrics.counter({
      name: "ollamamax_replication_copies_total",
      help: "Copies of models to this node that have ended, by how.",
      labels: ["result"],
    });
    deps.metrics.gauge(
      {
        name: "ollamamax_replication_copies_running",
        help: "Copies of models to this node that are under way.",
      },
      () => [[{}, this.#transfers.size]],
    );
  }

  /** What is being copied to here now. */
  transfers(): readonly TransferView[] {
    return [...this.#transfers.values()].map((transfer) => transfer.view());
  }

  /** Of a model that is being copied to here: others may already go on from what there is of it. */
  manifestOf(model: ManifestDigest): Uint8Array | undefined {
    return this.#transfers.get(model)?.manifest?.bytes;
  }

  /** Resolves when the model is here, whole, under its name. */
  async copy(request: CopyRequest, o: Waiting): Promise<void> {
    const { model, name } = request;
    const { clock, log } = this.#deps;
    o.signal.throwIfAborted();
    if (this.#transfers.has(model)) {
      throw new ReplicationError("COPY_RUNNING", `${formatFullName(name)} is being copied already`);
    }
    const transfer = new Transfer(model, name, clock);
    this.#transfers.set(model, transfer);
    const fields = { model: formatFullName(name), manifest: model };
    try {
      await this.#run(request, transfer, o);
      const { doneBytes, runningMs } = transfer.view();
      log.info({ ...fields, doneBytes, runningMs }, "model copied to this node");
      this.#copies.add({ result: "done" });
    } catch (error) {
      const isCancelled = o.signal.aborted || isAborted(error);
      this.#copies.add({ result: isCancelled ? "cancelled" : "failed" });
      if (!isCancelled) log.warn({ ...fields, problem: messageOf(error) }, "model was not copied");
      throw error;
    } finally {
      this.#transfers.delete(model);
    }
  }

  async #run(request: CopyRequest, transfer: Transfer, o: Waiting): Promise<void> {
    const { shelf, hashes, blobs, log } = this.#deps;
    const bytes = await this.#manifest(request, transfer, o);
    const parsed: Manifest = parseManifest(bytes);
    transfer.manifest = { bytes, parsed };
    const needed = blobsOf(parsed);
    await using hasher = PieceHasher.open();
    using _reserved = shelf.reserve(needed.map(({ digest }) => digest));
    // Small ones first: they are there at once, and whoever goes on from this node needs them all.
    for (const blob of needed.toSorted((a, b) => a.sizeBytes - b.sizeBytes)) {
      const copy = new BlobCopy(blob, this.#options, {
        ...this.#deps,
        ...{ blobs, hashes, hasher, log },
        sources: () => this.#sources(request, transfer),
        onOpen: (pieces) => transfer.arriving(pieces),
        onPiece: (_source, sizeBytes) => {
          transfer.received(sizeBytes);
          this.#received.add({}, sizeBytes);
        },
        onOffence: (node, offence, problem) => this.#report(request, { node, offence, problem }),
      });
      if ((await blobs.stat(blob.digest))?.sizeBytes !== blob.sizeBytes) await copy.run(o);
      transfer.whole(blob.sizeBytes);
    }
    await shelf.install(request.name, bytes, o);
  }

  /** From whoever has it: it names itself, so nobody need be believed. */
  async #manifest(request: CopyRequest, transfer: Transfer, o: Waiting): Promise<Uint8Array> {
    const { clock, random, log } = this.#deps;
    const untilMs = clock.nowMs() + this.#options.patienceMs;
    const liars = new Set<NodeId>();
    for (;;) {
      const sources = this.#sources(request, transfer).filter(({ node }) => !liars.has(node));
      for (const { node, peer } of sample(random, sources, sources.length)) {
        try {
          return await peer.manifest(request.model, o);
        } catch (error) {
          o.signal.throwIfAborted();
          const problem = messageOf(error);
          log.debug({ peer: node, problem }, "a peer gave no manifest");
          if (!(error instanceof ReplicationError) || error.code !== "PEER_LIED") continue;
          liars.add(node);
          this.#report(request, { node, offence: "wrong_manifest", problem });
        }
      }
      if (clock.nowMs() >= untilMs) {
        const problem = `nobody that can be asked has the model ${request.model}`;
        throw new ReplicationError("NO_SOURCE", problem);
      }
      await clock.sleep(LOOK_AGAIN_MS, o.signal);
    }
  }

  /** Those that hold it now, each with what is known of it since the copy began. */
  #sources({ holders }: CopyRequest, { sources }: Transfer): readonly Source[] {
    const { streams, clock } = this.#deps;
    return [...new Set(holders())].slice(0, SOURCES_MAX).map((node) => {
      const known = sources.get(node);
      if (known) return known;
      const peer = new BlobPeer(node, { streams, clock, stallMs: this.#options.stallMs });
      const source = new Source(peer, clock);
      sources.set(node, source);
      return source;
    });
  }

  #report({ model }: CopyRequest, bad: Omit<BadPeer, "model">): void {
    this.#offences.add({ offence: bad.offence });
    this.#deps.log.warn({ peer: bad.node, ...bad, model }, "a peer sent what is not right");
    this.#deps.onBadPeer({ ...bad, model });
  }
}
