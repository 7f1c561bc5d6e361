import { readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import t, { type Test } from "tap";
import { DEMO_MODEL_PATH } from "../../test/fixtures/demo-model.ts";
import { snapshot } from "../../test/fixtures/ollama-folder.ts";
import { splitGguf } from "../../test/fixtures/split-gguf.ts";
import { tempFolder } from "../../test/fixtures/temp-folder.ts";
import { systemClock } from "../core/clock.ts";
import { silentLog } from "../core/log.ts";
import { openGgufSource } from "./gguf-source.ts";
import { importGguf } from "./import-gguf.ts";
import { ModelStore } from "./model-store.ts";

const { signal } = new AbortController();
const demo = readFileSync(DEMO_MODEL_PATH);
/** Of the demo model's 38; also a first part that has none, as with --no-tensor-first-split. */
const SPLITS = [
  [20, 18],
  [1, 2, 3, 32],
  [0, 38],
  [36, 1, 1],
];

function nameOf(index: number, count: number): string {
  const digits = (number: number): string => String(number).padStart(5, "0");
  return `big-${digits(index + 1)}-of-${digits(count)}.gguf`;
}

async function writeParts(t: Test, tensors: readonly number[]): Promise<string[]> {
  const dir = tempFolder(t);
  return (await splitGguf(DEMO_MODEL_PATH, tensors)).map((bytes, i, { length }) => {
    const file = path.join(dir, nameOf(i, length));
    writeFileSync(file, bytes);
    return file;
  });
}

async function bytesOf(file: string): Promise<Buffer> {
  const source = await openGgufSource(file, { signal });
  const chunks: Buffer[] = [];
  for await (const chunk of source.chunks({ signal })) chunks.push(Buffer.from(chunk));
  const bytes = Buffer.concat(chunks);
  t.equal(source.sizeBytes, bytes.length);
  return bytes;
}

t.test("parts are byte for byte what was split, whichever of them is named", async (t) => {
  for (const tensors of SPLITS) {
    const files = await writeParts(t, tensors);
    for (const file of files) t.ok((await bytesOf(file)).equals(demo), path.basename(file));
  }
});

t.test("an import of the parts is the import of the whole", async (t) => {
  const dir = tempFolder(t);
  const [, last = ""] = await writeParts(t, [20, 18]);
  await using store = await ModelStore.open({ dir }, { clock: systemClock, log: silentLog });
  const whole = await importGguf(store, { file: DEMO_MODEL_PATH, name: "tiny" }, { signal });
  const before = snapshot(dir);
  t.same(await importGguf(store, { file: last, name: "tiny" }, { signal }), whole);
  t.same(snapshot(dir), before, "nothing was written");
});

t.test("what is wrong with parts", async (t) => {
  const files = async (tensors: readonly number[]) => await writeParts(t, tensors);
  const spoiled = async (spoil: (files: string[]) => void): Promise<string> => {
    const parts = await files([10, 10, 18]);
    spoil(parts);
    return parts[0] ?? "";
  };
  const [other = ""] = await files([5, 5, 28]);
  const rows: readonly [
    what: string,
    file: Promise<string>,
    error: { code: string; message: RegExp },
  ][] = [
    [
      "one is missing",
      spoiled(([, second = ""]) => rmSync(second)),
      { code: "FILE_NOT_READABLE", message: /big-00002-of-00003\.gguf: there is no such file/ },
    ],
    [
      "one is cut off",
      spoiled(([, , third = ""]) => writeFileSync(third, readFileSync(third).subarray(0, -4_096))),
      { code: "TRUNCATED", message: /big-00003-of-00003\.gguf/ },
    ],
    [
      "one is there twice",
      spoiled(([, second = "", third = ""]) => writeFileSync(third, readFileSync(second))),
      { code: "MALFORMED", message: /00003-of-00003.* same part as .*00002-of-00003/ },
    ],
    [
      "one is of another split",
      spoiled(([first = ""]) => writeFileSync(first, readFileSync(other))),
      { code: "MALFORMED", message: /promise 38 tensors and have 33/ },
    ],
    [
      "one is a whole model",
      spoiled(([, , third = ""]) => writeFileSync(third, demo)),
      { code: "MALFORMED", message: /00003-of-00003.* no part of the model of .*00001-of-00003/ },
    ],
  ];
  for (const [what, file, error] of rows) {
    await t.rejects(openGgufSource(await file, { signal }), error, what);
  }
  const [first = ""] = await files([20, 18]);
  const renamed = path.join(tempFolder(t), "weights.gguf");
  writeFileSync(renamed, readFileSync(first));
  await t.rejects(openGgufSource(renamed, { signal }), {
    code: "SPLIT_INCOMPLETE",
    message: /one of 2 parts.*-00001-of-0000N\.gguf/,
  });
});
