// A node of the replication benchmark: a mesh, a folder of blobs, both ends of /ollamamax/blob/1. Told what to do by messages.
import { mkdirSync } from "node:fs";
import path from "node:path";
import { BlobFolder } from "../../src/blobs/blob-folder.ts";
import { layoutOf } from "../../src/blobs/layout.ts";
import { PieceFolder } from "../../src/blobs/piece-folder.ts";
import { systemClock } from "../../src/core/clock.ts";
import {
  type BlobDigest,
  type ManifestDigest,
  manifestDigestOf,
  parseManifestDigest,
} from "../../src/core/digest.ts";
import { silentLog } from "../../src/core/log.ts";
import { parseModelName } from "../../src/core/model-name.ts";
import { parseNodeId } from "../../src/core/node-id.ts";
import { systemRandom } from "../../src/core/random.ts";
import { COPIER_OPTIONS, ModelCopier } from "../../src/replication/model-copier.ts";
import { Pace } from "../../src/replication/pace.ts";
import { PieceHashes } from "../../src/replication/piece-hashes.ts";
import { serveBlobs } from "../../src/replication/serve-blobs.ts";
import { openMesh } from "../../test/fixtures/meshes.ts";
import { recordingMetrics } from "../../test/fixtures/recording-metrics.ts";

export type PeerRequest =
  | { readonly call: "hold"; readonly manifest: string }
  | { readonly call: "copy"; readonly model: string; readonly holders: readonly string[] }
  /** What it takes now is what it takes when idle. */
  | { readonly call: "rest" }
  | { readonly call: "stats" };

/** TLS as between machines, or local sockets as between nodes of one. */
export type PeerLinks = "TLS" | "local";

export interface PeerStats {
  readonly sentBytes: number;
  readonly idleBytes: number;
  readonly peakBytes: number;
}

const SAMPLE_INTERVAL_MS = 100;
// One that all these processes share.
const CLUSTER_KEY_BYTES = 32;
const [dir = "", links = "", ...bootstrapPeers] = process.argv.slice(2);
const { signal } = new AbortController();
const metrics = recordingMetrics();
const layout = layoutOf(dir);
for (const folder of [layout.blobsDir, layout.manifestsDir]) {
  mkdirSync(folder, { recursive: true });
}
const folder = new BlobFolder(layout);
const pieces = new PieceFolder(layout, { clock: systemClock });
const blobs = Object.assign(pieces, {
  stat: (digest: BlobDigest) => folder.stat(digest),
  read: folder.read.bind(folder),
});
const { mesh, identity } = await openMesh(dir, {
  bootstrapPeers,
  random: systemRandom,
  localLinks: links === ("local" satisfies PeerLinks),
  clusterKeys: [Buffer.alloc(CLUSTER_KEY_BYTES, 7)],
});
const hashes = new PieceHashes({ dir: path.join(dir, "hashes") }, { blobs });
const pace = new Pace({ bytesPerSecondBusy: 1e6 }, { clock: systemClock, isBusy: () => false });
const manifests = new Map<ManifestDigest, Uint8Array>();
const common = {
  hashes,
  pace,
  clock: systemClock,
  metrics,
  log: silentLog,
};
const { streams } = mesh;
const copier = new ModelCopier(COPIER_OPTIONS, {
  ...common,
  ...{ streams, blobs, random: systemRandom, onBadPeer: (peer) => process.send?.({ peer }) },
  shelf: {
    reserve: () => ({ [Symbol.dispose]: () => {} }),
    install: async (_name, manifest) => {
      manifests.set(manifestDigestOf(manifest), manifest);
      return { digest: manifestDigestOf(manifest), removed: 0 };
    },
  },
});
serveBlobs({
  ...{ ...common, streams, blobs },
  manifest: async (digest) => manifests.get(digest) ?? copier.manifestOf(digest),
});

let idleBytes = process.memoryUsage.rss();
let peakBytes = idleBytes;
setInterval(() => {
  peakBytes = Math.max(peakBytes, process.memoryUsage.rss());
}, SAMPLE_INTERVAL_MS);

async function perform(request: PeerRequest): Promise<unknown> {
  switch (request.call) {
    case "hold": {
      const bytes = Buffer.from(request.manifest, "base64");
      manifests.set(manifestDigestOf(bytes), bytes);
      return {};
    }
    case "copy": {
      const model = parseManifestDigest(request.model);
      const name = parseModelName("bench");
      if (!model || !name) throw new Error("no model");
      const nodes = request.holders.map(parseNodeId).filter((node) => node !== undefined);
      const startedMs = performance.now();
      await copier.copy({ model, name, holders: () => nodes }, { signal });
      return { tookMs: performance.now() - startedMs };
    }
    case "rest": {
      idleBytes = process.memoryUsage.rss();
      peakBytes = idleBytes;
      return {};
    }
    case "stats": {
      const sentBytes = metrics.value("ollamamax_replication_sent_bytes_total");
      const stats: PeerStats = { sentBytes, idleBytes, peakBytes };
      return stats;
    }
  }
}

process.on("message", (request: PeerRequest) => {
  perform(request).then(
    (result) => process.send?.({ result }),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
process.on("disconnect", () => process.exit());
process.send?.({ result: { id: identity.nodeId, addresses: mesh.multiaddrs() } });
