import {
  chmodSync,
  readdirSync,
  readFileSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import t, { type Test } from "tap";
import { DEMO_MODEL_PATH } from "../../../test/fixtures/demo-model.ts";
import { key } from "../../../test/fixtures/gguf-file.ts";
import { ollamaLayout } from "../../../test/fixtures/ollama-layouts.ts";
import { bool, projectorFile } from "../../../test/fixtures/projector-file.ts";
import { recordingLog } from "../../../test/fixtures/recording-log.ts";
import { NO_MOUNT, smallDisk } from "../../../test/fixtures/small-disk.ts";
import { tempFolder } from "../../../test/fixtures/temp-folder.ts";
import { systemClock } from "../../core/clock.ts";
import { silentLog } from "../../core/log.ts";
import { readGguf } from "../gguf.ts";
import { TranslatedFiles } from "./translated-files.ts";

const o = { signal: new AbortController().signal, onProgress: () => {} };
const BLOB = `sha256-${"a".repeat(64)}`;
const DEPS = { clock: systemClock, log: silentLog };
const NONE: readonly string[] = [];

function blobIn(t: Test, bytes: Uint8Array, dir = tempFolder(t)): { dir: string; file: string } {
  const file = path.join(dir, BLOB);
  writeFileSync(file, bytes);
  return { dir, file };
}

const namesIn = (dir: string): readonly string[] =>
  readdirSync(path.join(dir, "ollamamax-translated")).sort();

t.test("made once, for however many ask, and kept", async (t) => {
  const { dir, file } = blobIn(t, await ollamaLayout("gemma3"));
  const log = recordingLog();
  const deps = { clock: systemClock, log };
  const files = new TranslatedFiles(dir, deps);
  const asked = { modelPath: file, projectorPaths: NONE };
  const fractions: number[] = [];
  const onProgress = (fraction: number): void => void fractions.push(fraction);
  const [first, second] = await Promise.all([
    files.of(asked, { ...o, onProgress }),
    files.of(asked, { ...o, onProgress }),
  ]);
  t.same(first, second);
  t.same(namesIn(dir), [`${BLOB}.model-1.gguf`, `${BLOB}.projector-1.gguf`]);
  t.equal(Math.max(...fractions), 1);
  const again = await new TranslatedFiles(dir, deps).of(asked, o);
  t.same(again, first);
  const makings = log.lines.filter(({ level }) => level === "info");
  t.equal(makings.length, 2, "one for each file");
});

t.test("the model's own projector is preferred to that in its file", async (t) => {
  const { dir, file } = blobIn(t, await ollamaLayout("gemma3"));
  const projectorPaths = ["its-own.gguf"];
  const made = await new TranslatedFiles(dir, DEPS).of({ modelPath: file, projectorPaths }, o);
  t.same(made.projectorPaths, projectorPaths);
  t.same(namesIn(dir), [`${BLOB}.model-1.gguf`]);
});

t.test("nothing is made of what llama.cpp loads, or says what is wrong with", async (t) => {
  const { dir, file } = blobIn(t, Buffer.from("no model"));
  const files = new TranslatedFiles(dir, DEPS);
  for (const modelPath of [DEMO_MODEL_PATH, file, path.join(dir, "nothing")]) {
    const asked = { modelPath, projectorPaths: NONE };
    t.equal(await files.of(asked, o), asked);
  }
  t.same(readdirSync(dir), [BLOB]);
  await files.sweep(new Set());
  t.same(readdirSync(dir), [BLOB]);
});

t.test("a projector from before they had types gets one", async (t) => {
  const sees = key("clip.has_vision_encoder", bool(true));
  const { dir, file } = blobIn(t, projectorFile([sees], [["mm.0.weight", 4, 4]], 1));
  const asked = { modelPath: DEMO_MODEL_PATH, projectorPaths: [file] };
  const made = await new TranslatedFiles(dir, DEPS).of(asked, o);
  t.equal(made.modelPath, DEMO_MODEL_PATH);
  const [projector = ""] = made.projectorPaths;
  const { metadata } = await readGguf(projector, { verbose: false }, o);
  t.equal(metadata.get("clip.projector_type"), "mlp");
  blobIn(t, projectorFile([], [["mm.0.weight", 4, 4]], 1), dir);
  t.equal(await new TranslatedFiles(dir, DEPS).of(asked, o), asked, "one that sees nothing");
});

t.test("what was cut off is made anew, and leaves nothing", async (t) => {
  const { dir, file } = blobIn(t, await ollamaLayout("olmo3"));
  const asked = { modelPath: file, projectorPaths: NONE };
  const leaving = new AbortController();
  const files = new TranslatedFiles(dir, DEPS);
  const begun = Promise.withResolvers<void>();
  const onProgress = (): void => begun.resolve();
  const cut = files.of(asked, { signal: leaving.signal, onProgress });
  await begun.promise;
  leaving.abort(new Error("nobody waits any more"));
  const other = files.of(asked, o);
  await t.rejects(cut, { message: "nobody waits any more" });
  const { modelPath } = await other;
  t.same(namesIn(dir), [`${BLOB}.model-1.gguf`], "who still waited has made it");
  const whole = readFileSync(modelPath);
  truncateSync(modelPath, 100);
  await files.of(asked, o);
  t.ok(readFileSync(modelPath).equals(whole), "half a file is none");
});

t.test("left over: of blobs that are gone, of other versions, of who was killed", async (t) => {
  const { dir, file } = blobIn(t, await ollamaLayout("olmo3"));
  const files = new TranslatedFiles(dir, DEPS);
  await files.of({ modelPath: file, projectorPaths: NONE }, o);
  const folder = path.join(dir, "ollamamax-translated");
  const old = [`${BLOB}.model-0.gguf`, `${BLOB}.model-1.gguf.0123.partial`];
  const young = `${BLOB}.model-1.gguf.4567.partial`;
  for (const name of [...old, young]) writeFileSync(path.join(folder, name), "");
  for (const name of old) utimesSync(path.join(folder, name), 1, 1);
  await new TranslatedFiles(dir, DEPS).sweep(new Set([BLOB]));
  t.same(namesIn(dir), [`${BLOB}.model-1.gguf`, young].sort());
  await new TranslatedFiles(dir, DEPS).sweep(new Set());
  t.same(namesIn(dir), []);
});

t.test("a disk without room says how much is needed", async (t) => {
  const disk = smallDisk(t, 200_000);
  if (disk === undefined) return t.plan(0, NO_MOUNT);
  const { file } = blobIn(t, await ollamaLayout("olmo3"));
  const asked = { modelPath: file, projectorPaths: NONE };
  await t.rejects(new TranslatedFiles(disk, DEPS).of(asked, o), {
    code: "DISK_FULL",
    message: /^What llama.cpp loads in place of this model needs .* free some space there/,
  });
  t.same(namesIn(disk), []);
});

t.test("a folder that may only be read", { skip: process.getuid?.() === 0 }, async (t) => {
  const { dir, file } = blobIn(t, await ollamaLayout("olmo3"));
  chmodSync(dir, 0o555);
  t.teardown(() => chmodSync(dir, 0o755));
  const asked = { modelPath: file, projectorPaths: NONE };
  await t.rejects(new TranslatedFiles(dir, DEPS).of(asked, o), {
    code: "MODELS_DIR_NOT_WRITABLE",
  });
});
