import path from "node:path";
import { LocalFiles } from "../blobs/local-files.ts";
import type { ModelStore } from "../blobs/model-store.ts";
import type { StoreKeeper } from "../blobs/store-keeper.ts";
import type { ManifestDigest } from "../core/digest.ts";
import { parseManifest } from "../core/manifest.ts";
import type { Metrics } from "../core/metrics.ts";
import type { NodeId } from "../core/node-id.ts";
import type { Waiting } from "../core/ports.ts";
import type { LlamaEngine } from "../engine/llama-engine.ts";
import type { Mesh } from "../mesh/mesh.ts";
import type { Registry } from "../registry/registry.ts";
import { PeerFiles } from "../replication/cluster-files.ts";
import { COPIER_OPTIONS, ModelCopier } from "../replication/model-copier.ts";
import { NodeCopies } from "../replication/node-copies.ts";
import { Pace } from "../replication/pace.ts";
import { PieceHashes } from "../replication/piece-hashes.ts";
import { serveBlobs } from "../replication/serve-blobs.ts";
import type { Config } from "./config/config.ts";
import type { NodeDeps } from "./deps.ts";
import { recordSeen } from "./record-seen.ts";

/**
 * While requests run here. npm run bench:interference on two cores, the time to the first token at p99, of the source and of the
 * receiver: at 4 MB/s it took -1 and -2, and 1 and 9 % longer in two runs; at 8 MB/s -2 and 2, and 17 and 16 %; at 12 MB/s 18
 * and 32 %. The median stayed as it was.
 */
const BUSY_BYTES_PER_SECOND = 4_000_000;

/** What a source hashes meanwhile, if nobody has asked it for the model before: whoever asks waits for all of it. */
const BUSY_HASHED_BYTES_PER_SECOND = 32_000_000;

const MEGABYTE = 1_000_000;

export interface ReplicationParts {
  readonly options: Pick<Config, "OLLAMA_DATA_DIR" | "OLLAMA_TRANSFER_RATE">;
  readonly models: ModelStore;
  readonly keeper: StoreKeeper;
  readonly engine: LlamaEngine;
  readonly mesh: Mesh;
  readonly registry: Registry;
}

/** What gives this node's models to peers, and takes theirs. */
export function openReplication(
  { options, models, keeper, engine, mesh, registry }: ReplicationParts,
  stack: AsyncDisposableStack,
  deps: NodeDeps & { readonly metrics: Metrics },
) {
  const { view, replicas, streams } = mesh;
  const isBusy = (): boolean => engine.status().running + engine.status().queued > 0;
  const hashes = stack.use(
    new PieceHashes(
      { dir: path.join(options.OLLAMA_DATA_DIR, "piece-hashes") },
      {
        blobs: models,
        pace: new Pace(
          { bytesPerSecondBusy: BUSY_HASHED_BYTES_PER_SECOND },
          { clock: deps.clock, isBusy },
        ),
      },
    ),
  );
  const bytesPerSecondMax = options.OLLAMA_TRANSFER_RATE * MEGABYTE;
  const rates = {
    bytesPerSecondBusy: BUSY_BYTES_PER_SECOND,
    ...(bytesPerSecondMax > 0 && { bytesPerSecondMax }),
  };
  const pace = (): Pace => new Pace(rates, { clock: deps.clock, isBusy });
  const shelf = {
    reserve: keeper.reserve.bind(keeper),
    install: (...[name, manifest, o]: Parameters<StoreKeeper["install"]>) => {
      copies.expectWanted(parseManifest(manifest).digest, name);
      return keeper.install(name, manifest, o);
    },
  };
  const copier = new ModelCopier(COPIER_OPTIONS, {
    ...{ ...deps, streams, blobs: models, shelf, hashes, pace: pace() },
    onBadPeer: (bad) =>
      void recordSeen(
        registry,
        {
          ...{ table: "model_replicas", operation: "BAD_PEER" },
          details: { reporter: view.self().id, ...bad },
        },
        deps,
      ),
  });
  const copies = new NodeCopies({ ...deps, copier, models, view, replicas });
  const local = new LocalFiles(models, keeper);
  const manifest = async (model: ManifestDigest, o: Waiting) =>
    (await local.manifest(model, o)) ?? copier.manifestOf(model);
  stack.use(serveBlobs({ ...deps, streams, blobs: models, hashes, manifest, pace: pace() }));
  const holders = (model: ManifestDigest): readonly NodeId[] =>
    replicas
      .holders(model)
      .filter(({ node, state }) => state === "ready" && node !== view.self().id)
      .map(({ node }) => node);
  return { copier, copies, files: new PeerFiles({ ...deps, local, holders, streams }) };
}
