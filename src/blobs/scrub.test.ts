import { closeSync, openSync, writeSync } from "node:fs";
import path from "node:path";
import t, { type Test } from "tap";
import { DEMO_MODEL_PATH } from "../../test/fixtures/demo-model.ts";
import { tempFolder } from "../../test/fixtures/temp-folder.ts";
import { systemClock } from "../core/clock.ts";
import type { BlobDigest } from "../core/digest.ts";
import { silentLog } from "../core/log.ts";
import { noMetrics } from "../core/metrics.ts";
import { parseModelName } from "../core/model-name.ts";
import { importGguf } from "./import-gguf.ts";
import { blobPath } from "./layout.ts";
import { ModelStore } from "./model-store.ts";
import { Scrub } from "./scrub.ts";

const { signal } = new AbortController();
const deps = { clock: systemClock, log: silentLog, metrics: noMetrics };

async function openStore(t: Test) {
  const root = tempFolder(t);
  const store = await ModelStore.open({ dir: path.join(root, "models") }, deps);
  t.teardown(() => store[Symbol.asyncDispose]());
  await importGguf(store, { file: DEMO_MODEL_PATH, name: "tiny" }, { signal });
  const name = parseModelName("tiny");
  const record = name && store.find(name);
  const files = record && (await store.open(record.manifest, { signal }));
  if (!files) throw new Error("it was imported");
  return { root, store, model: files.modelBlob };
}

/** Scrubs until every blob has a verdict: the model's file and its config. */
async function scrubbed(
  root: string,
  store: ModelStore,
  more: { readonly isBusy?: () => boolean } = {},
): Promise<Map<BlobDigest, boolean>> {
  const verdicts = new Map<BlobDigest, boolean>();
  const done = Promise.withResolvers<void>();
  await using _scrub = await Scrub.open(
    { file: path.join(root, "verdicts.json"), bytesPerSecond: 2 ** 30, intervalMs: 3_600_000 },
    {
      ...{ ...deps, store, isBusy: () => false, ...more },
      onVerdict: (digest, isSound) => {
        verdicts.set(digest, isSound);
        if (verdicts.size === store.blobsInUse().size) done.resolve();
      },
    },
  );
  await done.promise;
  return verdicts;
}

function flipByte(file: string, at: number): void {
  const handle = openSync(file, "r+");
  writeSync(handle, Buffer.from([0xff]), 0, 1, at);
  closeSync(handle);
}

t.test("sound blobs stay; a flipped bit is found, and the model is served no more", async (t) => {
  const { root, store, model } = await openStore(t);
  t.same([...(await scrubbed(root, store)).values()], [true, true]);
  t.equal(store.list().length, 1);

  flipByte(blobPath(store.layout, model), 1_000_000);
  const changes = store.changes({ signal })[Symbol.asyncIterator]();
  const changed = changes.next();
  const verdicts = new Map<BlobDigest, boolean>();
  const found = Promise.withResolvers<void>();
  const scrub = await Scrub.open(
    { file: path.join(root, "verdicts.json"), bytesPerSecond: 2 ** 30, intervalMs: 3_600_000 },
    {
      ...{ ...deps, store, isBusy: () => false },
      onVerdict: (digest, isSound) => {
        verdicts.set(digest, isSound);
        found.resolve();
      },
    },
  );
  await found.promise;
  t.same([...verdicts], [[model, false]], "only what was written since");
  t.match((await changed).value, { state: "failed", record: { name: /tiny/ } });
  t.same(store.list(), []);
  t.equal(await store.stat(model), undefined, "nobody gets it from here");
  await scrub[Symbol.asyncDispose]();

  const again = await ModelStore.open({ dir: store.layout.dir }, deps);
  t.teardown(() => again[Symbol.asyncDispose]());
  t.equal(again.list().length, 1, "who has not read it does not know");
  await using _scrub = await Scrub.open(
    { file: path.join(root, "verdicts.json"), bytesPerSecond: 1, intervalMs: 3_600_000 },
    { ...deps, store: again, isBusy: () => false, onVerdict: () => {} },
  );
  t.same(again.list(), [], "a restart does not forget it");

  await importGguf(again, { file: DEMO_MODEL_PATH, name: "tiny" }, { signal });
  t.equal(again.list().length, 1, "another file in its place is a new one");
  t.ok(await again.stat(model));
});

t.test("requests come first", async (t) => {
  const { root, store } = await openStore(t);
  let looks = 0;
  await scrubbed(root, store, { isBusy: () => looks++ < 2 });
  t.ok(looks > 2, "it waited until nobody was busy");
});
