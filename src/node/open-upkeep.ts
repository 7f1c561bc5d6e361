import path from "node:path";
import { Garbage } from "../blobs/garbage.ts";
import type { ModelStore } from "../blobs/model-store.ts";
import { Scrub } from "../blobs/scrub.ts";
import type { StoreKeeper } from "../blobs/store-keeper.ts";
import type { BlobDigest } from "../core/digest.ts";
import { messageOf } from "../core/errors.ts";
import type { Metrics } from "../core/metrics.ts";
import type { LlamaEngine } from "../engine/llama-engine.ts";
import { Healer } from "../replication/healer.ts";
import type { NodeCopies } from "../replication/node-copies.ts";
import type { Config } from "./config/config.ts";
import type { NodeDeps } from "./deps.ts";

const MEBIBYTE = 2 ** 20;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** A hundred gigabytes take less than two hours, and a disk hardly feels it. */
const SCRUB = { bytesPerSecond: 16 * MEBIBYTE, intervalMs: 7 * DAY_MS };
const GARBAGE = { ageMs: DAY_MS, intervalMs: HOUR_MS };

/** What looks after this node's folder of models. */
export async function openUpkeep(
  options: Config,
  parts: {
    readonly models: ModelStore;
    readonly keeper: StoreKeeper;
    readonly engine: LlamaEngine;
    readonly copies: NodeCopies;
  },
  stack: AsyncDisposableStack,
  deps: NodeDeps & { readonly metrics: Metrics },
): Promise<Scrub> {
  const { OLLAMA_DATA_DIR: dataDir, OLLAMA_MODELS: modelsDir } = options;
  const { models, keeper, engine, copies } = parts;
  const healer = stack.use(
    Healer.open({
      ...deps,
      damaged: () => models.damagedModels(),
      copy: (...args) => copies.copy(...args),
    }),
  );
  const scrub = stack.use(
    await Scrub.open(
      { ...SCRUB, file: path.join(dataDir, "verdicts.json") },
      {
        ...{ ...deps, store: models },
        isBusy: () => engine.status().running > 0,
        onVerdict: (digest, isSound) => {
          if (isSound) return;
          void unloadAll(digest, parts, deps);
          healer.wake();
        },
      },
    ),
  );
  if (models.writable && isWithin(dataDir, modelsDir)) {
    stack.use(Garbage.open(GARBAGE, { ...deps, layout: models.layout, keeper }));
  }
  return scrub;
}

/** What is loaded already goes on reading the damaged file. */
async function unloadAll(
  digest: BlobDigest,
  { models, engine }: { readonly models: ModelStore; readonly engine: LlamaEngine },
  { log, stopping }: NodeDeps,
): Promise<void> {
  try {
    for (const manifest of models.manifestsWith(digest)) {
      await engine.retire(manifest, { signal: stopping });
    }
  } catch (error) {
    log.warn({ problem: messageOf(error) }, "a damaged model stays loaded");
  }
}

/** A folder elsewhere may be another program's, too. */
function isWithin(folder: string, place: string): boolean {
  const relative = path.relative(path.resolve(folder), path.resolve(place));
  return relative !== "" && !relative.startsWith("..") && !path.isAbsolute(relative);
}
