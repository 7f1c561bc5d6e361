import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { ggufFile, key, tensor, tinyGguf, value } from "../../test/fixtures/gguf-file.ts";
import { snapshot, writeOllamaModel } from "../../test/fixtures/ollama-folder.ts";
import { fill, NO_MOUNT, smallDisk } from "../../test/fixtures/small-disk.ts";
import { tempFolder } from "../../test/fixtures/temp-folder.ts";
import { systemClock } from "../core/clock.ts";
import { formatDigest, manifestDigestOf } from "../core/digest.ts";
import { silentLog } from "../core/log.ts";
import { importGguf } from "./import-gguf.ts";
import { ModelStore } from "./model-store.ts";

const DEMO = "deploy/models/tiny-chat.gguf";
const DEMO_BYTES = statSync(DEMO).size;
const { signal } = new AbortController();
const deps = { clock: systemClock, log: silentLog };

/** Every file below the folder: what an import has left. */
function files(dir: string): string[] {
  return Object.keys(snapshot(dir));
}

t.test("the demo model", async (t) => {
  const dir = tempFolder(t);
  await using store = await ModelStore.open({ dir }, deps);
  const progress: number[] = [];
  const onProgress = (done: number, total: number): void => {
    t.equal(total, DEMO_BYTES);
    progress.push(done);
  };
  const record = await importGguf(store, { file: DEMO, name: "tiny-chat" }, { signal, onProgress });
  t.same(progress, [0, 1_048_576, DEMO_BYTES]);
  t.match(record, {
    name: "registry.ollama.ai/library/tiny-chat:latest",
    details: {
      format: "gguf",
      family: "llama",
      families: ["llama"],
      parameterSize: "984K",
      quantizationLevel: "F16",
      contextLength: 1_024,
    },
    capabilities: ["completion"],
  });
  t.same(store.list(), [record]);

  const model = await store.open(record.manifest, { signal });
  t.ok(model && readFileSync(model.modelPath).equals(readFileSync(DEMO)));
  const manifest = readFileSync(
    path.join(dir, "manifests/registry.ollama.ai/library/tiny-chat/latest"),
  );
  t.equal(manifestDigestOf(manifest), record.manifest);
  t.equal(manifest.at(-1), 10, "ends with a newline, as Ollama's own");
  const { config, layers } = JSON.parse(manifest.toString());
  t.equal(config.size + layers[0].size, record.sizeBytes);
  t.same(
    JSON.parse(readFileSync(path.join(dir, "blobs", config.digest.replace(":", "-"))).toString()),
    {
      model_format: "gguf",
      model_family: "llama",
      model_families: ["llama"],
      model_type: "984K",
      file_type: "F16",
      architecture: "amd64",
      os: "linux",
      rootfs: { type: "layers", diff_ids: [model && formatDigest(model.modelBlob)] },
    },
  );
  t.equal(files(dir).length, 3);
});

t.test("the same file again, under the same and another name", async (t) => {
  const dir = tempFolder(t);
  await using store = await ModelStore.open({ dir }, deps);
  const first = await importGguf(store, { file: DEMO, name: "tiny" }, { signal });
  const before = snapshot(dir);
  t.same(await importGguf(store, { file: DEMO, name: "TINY:latest" }, { signal }), first);
  t.same(snapshot(dir), before, "nothing was written");
  const other = await importGguf(store, { file: DEMO, name: "me/other:v1" }, { signal });
  t.equal(other.manifest, first.manifest);
  t.equal(files(dir).length, 4, "one manifest more");
});

t.test("two nodes that import the same file agree on its digest", async (t) => {
  await using one = await ModelStore.open(
    { dir: path.join(tempFolder(t, { a: {}, b: {} }), "a") },
    deps,
  );
  await using two = await ModelStore.open({ dir: path.join(one.layout.dir, "../b") }, deps);
  const records = await Promise.all(
    [one, two].map((store) => importGguf(store, { file: DEMO, name: "tiny" }, { signal })),
  );
  t.equal(records[0]?.manifest, records[1]?.manifest);
});

t.test("another file under the same name replaces it", async (t) => {
  const dir = tempFolder(t, { "other.gguf": tinyGguf() });
  await using store = await ModelStore.open({ dir: path.join(dir, "models") }, deps);
  const first = await importGguf(store, { file: DEMO, name: "m" }, { signal });
  const second = await importGguf(
    store,
    { file: path.join(dir, "other.gguf"), name: "M" },
    { signal },
  );
  t.same(store.list(), [second]);
  t.equal(second.name, first.name, "in the casing that it had");
});

t.test("what cannot be imported is refused before anything is written", async (t) => {
  const demo = readFileSync(DEMO);
  const dir = tempFolder(t, {
    models: {},
    folder: {},
    "cut.gguf": demo.subarray(0, demo.length - 1),
    "header.gguf": demo.subarray(0, 20_000),
    "text.gguf": "not a model",
    "empty.gguf": "",
    "words.gguf": ggufFile({ keys: [key("general.architecture", value.text("llama"))] }),
    "nameless.gguf": ggufFile({ tensors: [tensor("t", [8])], dataBytes: 32 }),
    "split.gguf": tinyGguf([key("split.count", value.uint32(2))]),
  });
  await using store = await ModelStore.open({ dir: path.join(dir, "models") }, deps);
  const rows: readonly [file: string, name: string, error: { code: string; message?: RegExp }][] = [
    [DEMO, "", { code: "INVALID_MODEL_NAME", message: /use \[host\/\]/ }],
    [DEMO, "../../evil", { code: "INVALID_MODEL_NAME" }],
    [DEMO, "a b", { code: "INVALID_MODEL_NAME" }],
    [
      path.join(dir, "none.gguf"),
      "m",
      { code: "FILE_NOT_READABLE", message: /there is no such file/ },
    ],
    [path.join(dir, "folder"), "m", { code: "FILE_NOT_READABLE" }],
    [
      path.join(dir, "text.gguf"),
      "m",
      { code: "NOT_GGUF", message: /text\.gguf is no usable GGUF/ },
    ],
    [path.join(dir, "empty.gguf"), "m", { code: "NOT_GGUF" }],
    [path.join(dir, "header.gguf"), "m", { code: "TRUNCATED" }],
    [path.join(dir, "cut.gguf"), "m", { code: "TRUNCATED", message: /copy or download it again/ }],
    [path.join(dir, "words.gguf"), "m", { code: "MALFORMED", message: /no weights/ }],
    [path.join(dir, "nameless.gguf"), "m", { code: "MALFORMED", message: /no architecture/ }],
    [path.join(dir, "split.gguf"), "m", { code: "SPLIT_INCOMPLETE", message: /one of 2 parts/ }],
  ];
  for (const [file, name, error] of rows) {
    await t.rejects(importGguf(store, { file, name }, { signal }), error, `${file} as "${name}"`);
  }
  t.same(files(path.join(dir, "models")), []);
});

t.test("an abort in the middle leaves nothing", async (t) => {
  const dir = tempFolder(t);
  await using store = await ModelStore.open({ dir }, deps);
  const controller = new AbortController();
  const onProgress = (done: number): void => {
    if (done > 0) controller.abort();
  };
  const o = { signal: controller.signal, onProgress };
  await t.rejects(importGguf(store, { file: DEMO, name: "m" }, o), { name: "AbortError" });
  t.same(files(dir), []);
  t.same(store.list(), []);
});

t.test("a file that changes while it is read", async (t) => {
  const whole = ggufFile({
    keys: [key("general.architecture", value.text("llama"))],
    tensors: [tensor("t", [750_000])],
    dataBytes: 3_000_000,
  });
  for (const change of [
    Buffer.concat([whole, Buffer.from("more")]),
    whole.subarray(0, 2_000_000),
  ]) {
    const dir = tempFolder(t, { "m.gguf": whole, models: {} });
    const file = path.join(dir, "m.gguf");
    await using store = await ModelStore.open({ dir: path.join(dir, "models") }, deps);
    const onProgress = (done: number): void => {
      if (done > 0) writeFileSync(file, change);
    };
    const importing = importGguf(store, { file, name: "m" }, { signal, onProgress });
    await t.rejects(importing, { code: "FILE_CHANGED" }, `${change.length} bytes`);
    t.same(files(path.join(dir, "models")), []);
  }
});

t.test("a disk that is too small is told before the copy", async (t) => {
  const dir = smallDisk(t, 1_500_000);
  if (dir === undefined) return t.plan(0, NO_MOUNT);
  await using store = await ModelStore.open({ dir }, deps);
  await t.rejects(importGguf(store, { file: DEMO, name: "m" }, { signal }), {
    code: "DISK_FULL",
    message: /needs 2\.2 MiB, and .+ has 1\.. MiB free: free some space/,
  });
  t.same(files(dir), []);
});

t.test("a disk that fills up during the copy", async (t) => {
  const dir = smallDisk(t, 4_000_000);
  if (dir === undefined) return t.plan(0, NO_MOUNT);
  await using store = await ModelStore.open({ dir }, deps);
  const filler = path.join(dir, "filler");
  const onProgress = (done: number): void => {
    if (done > 0 && !existsSync(filler)) fill(filler, 8_000_000);
  };
  await t.rejects(importGguf(store, { file: DEMO, name: "m" }, { signal, onProgress }), {
    code: "DISK_FULL",
    message: /No space is left in .+ \(ENOSPC\): free some space/,
  });
  t.same(files(dir), ["filler"]);
  t.same(store.list(), []);
});

t.test("a folder that may only be read is served and takes no import", async (t) => {
  const dir = smallDisk(t, 4_000_000);
  if (dir === undefined) return t.plan(0, NO_MOUNT);
  writeOllamaModel(dir, "registry.ollama.ai/library/here/latest", { model: tinyGguf() });
  execFileSync("mount", ["-o", "remount,ro", dir]);
  const before = snapshot(dir);
  await using store = await ModelStore.open({ dir }, deps);
  t.notOk(store.writable);
  t.match(store.list(), [{ name: "registry.ollama.ai/library/here:latest" }]);
  await t.rejects(importGguf(store, { file: DEMO, name: "m" }, { signal }), {
    code: "MODELS_DIR_NOT_WRITABLE",
    message: /EROFS.+set OLLAMA_MODELS/,
  });
  t.same(snapshot(dir), before);
});

const KILLED_IMPORT = `
  import { systemClock } from "./src/core/clock.ts";
  import { silentLog } from "./src/core/log.ts";
  import { importGguf } from "./src/blobs/import-gguf.ts";
  import { ModelStore } from "./src/blobs/model-store.ts";
  const [dir, file] = process.argv.slice(1);
  const store = await ModelStore.open({ dir }, { clock: systemClock, log: silentLog });
  const onProgress = (done) => done > 0 && process.kill(process.pid, "SIGKILL");
  await importGguf(store, { file, name: "m" }, { signal: new AbortController().signal, onProgress });
`;

t.test("what a killed import leaves goes later, and is never taken for a model", async (t) => {
  const dir = tempFolder(t);
  const killed = spawnSync(process.execPath, [
    "--input-type=module",
    "-e",
    KILLED_IMPORT,
    dir,
    DEMO,
  ]);
  t.equal(killed.signal, "SIGKILL");
  t.match(files(dir), [/^blobs\/ollamamax-[0-9a-f]{32}\.partial$/]);
  {
    await using store = await ModelStore.open({ dir }, deps);
    t.same(store.list(), []);
    t.equal(files(dir).length, 1, "it may still run");
  }
  const later = { ...systemClock, wallMs: () => Date.now() + 2 * 60 * 60 * 1_000 };
  await using _store = await ModelStore.open({ dir }, { ...deps, clock: later });
  t.same(files(dir), []);
});
