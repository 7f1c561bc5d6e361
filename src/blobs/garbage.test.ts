import { readdirSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { DEMO_MODEL_PATH } from "../../test/fixtures/demo-model.ts";
import { ManualClock } from "../../test/fixtures/manual-clock.ts";
import { writeBlob } from "../../test/fixtures/ollama-folder.ts";
import { tempFolder } from "../../test/fixtures/temp-folder.ts";
import { systemClock } from "../core/clock.ts";
import { parseBlobDigest } from "../core/digest.ts";
import { silentLog } from "../core/log.ts";
import { noMetrics } from "../core/metrics.ts";
import { Garbage } from "./garbage.ts";
import { importGguf } from "./import-gguf.ts";
import { ModelStore } from "./model-store.ts";
import { StoreKeeper } from "./store-keeper.ts";

const { signal } = new AbortController();
const DAY_MS = 86_400_000;

t.test("what goes, and what stays", async (t) => {
  const dir = path.join(tempFolder(t), "models");
  const deps = { clock: systemClock, log: silentLog, metrics: noMetrics };
  const store = await ModelStore.open({ dir }, deps);
  t.teardown(() => store[Symbol.asyncDispose]());
  await importGguf(store, { file: DEMO_MODEL_PATH, name: "tiny" }, { signal });
  const blobsDir = path.join(dir, "blobs");
  const needed = readdirSync(blobsDir);
  const fileOf = (digest: string): string => digest.replace(":", "-");
  const unneeded = fileOf(writeBlob(dir, "nobody needs it").digest);
  const reserved = writeBlob(dir, "it arrives just now").digest;
  const foreign = [`sha256-${"a".repeat(64)}-partial`, "sha256-aa", "notes.txt"];
  for (const name of foreign) writeFileSync(path.join(blobsDir, name), "");
  const keeper = new StoreKeeper(store, {
    ...deps,
    quantizer: { quantize: async function* () {} },
  });
  const held = keeper.reserve([parseBlobDigest(reserved)].filter((digest) => digest !== undefined));

  const asked = async (wallMs: number): Promise<string[]> => {
    const clock = new ManualClock();
    const ended = Promise.withResolvers<void>();
    await using _garbage = Garbage.open(
      { ageMs: DAY_MS, intervalMs: DAY_MS },
      {
        ...{ ...deps, layout: store.layout, keeper },
        clock: {
          nowMs: () => clock.nowMs(),
          wallMs: () => wallMs,
          sleep: (ms, o) => {
            ended.resolve();
            return clock.sleep(ms, o);
          },
        },
      },
    );
    await ended.promise;
    return readdirSync(blobsDir).sort();
  };
  const all = [...needed, ...foreign, unneeded, fileOf(reserved)];
  t.same(await asked(Date.now()), all.toSorted(), "they may get a manifest yet");
  const later = Date.now() + 2 * DAY_MS;
  t.same(await asked(later), [...needed, ...foreign, fileOf(reserved)].sort());
  held[Symbol.dispose]();
  writeFileSync(path.join(dir, "manifests/registry.ollama.ai/library/tiny/broken"), "{");
  t.same(await asked(later), [...needed, ...foreign, fileOf(reserved)].sort(), "who knows");
  utimesSync(path.join(blobsDir, fileOf(reserved)), 0, 0);
  t.same(await asked(Date.now()), [...needed, ...foreign, fileOf(reserved)].sort());
});
