import { execFileSync } from "node:child_process";
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import t from "tap";
import {
  ggufFile,
  key,
  tensor,
  text,
  tinyGguf,
  u32,
  u64,
  value,
} from "../../test/fixtures/gguf-file.ts";
import { tempFolder } from "../../test/fixtures/temp-folder.ts";
import { GgufError } from "./errors.ts";
import { type Gguf, readGguf } from "./gguf.ts";
import { ggufFacts } from "./gguf-facts.ts";

const DEMO = "deploy/models/tiny-chat.gguf";
const { signal } = new AbortController();
const dir = tempFolder(t);
const file = path.join(dir, "model.gguf");

function read(bytes: Uint8Array, verbose = false): Promise<Gguf> {
  writeFileSync(file, bytes);
  return readGguf(file, { verbose }, { signal });
}

/** The code, "fine" for a file that can be read; anything but a GgufError fails the test. */
async function outcome(action: () => Promise<unknown>): Promise<string> {
  try {
    await action();
    return "fine";
  } catch (error) {
    if (!(error instanceof GgufError)) throw error;
    return error.code;
  }
}

t.test("the demo model", async (t) => {
  const gguf = await readGguf(DEMO, { verbose: false }, { signal });
  t.match(ggufFacts(gguf), {
    architecture: "llama",
    quantization: "F16",
    parameterCount: 984_192,
    contextLength: 1_024,
    embeddingLength: 128,
    pooling: false,
    splitCount: 1,
    chatTemplate: /<\|assistant\|>/,
  });
  t.equal(gguf.tensors.length, 38);
  t.same(gguf.tensors[0], { name: "token_embd.weight", type: "F16", shape: [128, 1_024] });
  t.equal(gguf.metadata.get("llama.attention.layer_norm_rms_epsilon"), 0.00001, "as Go prints it");
  t.same(gguf.metadata.get("tokenizer.ggml.tokens"), { length: 1_024 }, "long lists stay away");
});

t.test("long lists come when asked for", async (t) => {
  const gguf = await readGguf(DEMO, { verbose: true }, { signal });
  const tokens = gguf.metadata.get("tokenizer.ggml.tokens");
  t.ok(typeof tokens === "object" && tokens.values?.length === 1_024);
  t.ok(typeof tokens === "object" && tokens.values?.[1] === "<s>");
});

t.test("values of every kind", async (t) => {
  const gguf = await read(
    tinyGguf([
      key("a", value.uint64(7)),
      key("b", value.uint64(2n ** 63n)),
      key("c", value.uint32s([1, 2, 3])),
      key("d", value.texts(["x", "y", "z", "x", "y", "z"])),
      key("e", Buffer.concat([u32(7), Buffer.from([1])])),
      key("f", Buffer.concat([u32(5), Buffer.from([0xff, 0xff, 0xff, 0xff])])),
    ]),
  );
  t.equal(gguf.metadata.get("a"), 7);
  t.equal(gguf.metadata.get("b"), 2n ** 63n);
  t.same(gguf.metadata.get("c"), { length: 3, values: [1, 2, 3] });
  t.same(gguf.metadata.get("d"), { length: 6 });
  t.equal(gguf.metadata.get("e"), true);
  t.equal(gguf.metadata.get("f"), -1);
});

const HUGE = 2n ** 62n;
const HOSTILE: readonly [what: string, code: string, bytes: Buffer][] = [
  ["nothing", "NOT_GGUF", Buffer.alloc(0)],
  ["another format", "NOT_GGUF", Buffer.from("PK\u0003\u0004 a zip")],
  ["version 1", "UNSUPPORTED_VERSION", ggufFile({ version: 1 })],
  ["big endian", "UNSUPPORTED_VERSION", ggufFile({ version: 0x03000000 })],
  ["countless keys", "MALFORMED", ggufFile({ keyCount: HUGE })],
  ["a billion keys", "TRUNCATED", ggufFile({ keyCount: 1e9 })],
  ["a billion tensors", "TRUNCATED", ggufFile({ tensorCount: 1e9 })],
  ["many keys", "TOO_LARGE", ggufFile({ keyCount: 20_000, dataBytes: 300_000 })],
  ["an endless key", "MALFORMED", ggufFile({ keys: [u64(HUGE), Buffer.alloc(32)], keyCount: 1 })],
  ["a long key", "TOO_LARGE", ggufFile({ keys: [text("k".repeat(70_000))], keyCount: 1 })],
  ["a key twice", "MALFORMED", tinyGguf([key("a", value.uint32(1)), key("a", value.uint32(2))])],
  ["no such type", "MALFORMED", tinyGguf([key("a", u32(13))])],
  ["a list of lists", "MALFORMED", tinyGguf([key("a", Buffer.concat([u32(9), u32(9), u64(1)]))])],
  [
    "an endless list",
    "MALFORMED",
    tinyGguf([key("a", Buffer.concat([u32(9), u32(0), u64(HUGE)]))]),
  ],
  [
    "a list longer than the file",
    "TRUNCATED",
    tinyGguf([key("a", Buffer.concat([u32(9), u32(8), u64(1e6)]))]),
  ],
  [
    "a list with an endless text",
    "MALFORMED",
    tinyGguf([key("a", Buffer.concat([u32(9), u32(8), u64(6), u64(HUGE), Buffer.alloc(64)]))]),
  ],
  ["no alignment", "MALFORMED", tinyGguf([key("general.alignment", value.uint32(0))])],
  ["odd alignment", "MALFORMED", tinyGguf([key("general.alignment", value.uint32(48))])],
  ["many dimensions", "MALFORMED", ggufFile({ tensors: [tensor("t", [1, 1, 1, 1, 1])] })],
  ["an endless shape", "MALFORMED", ggufFile({ tensors: [tensor("t", [2 ** 40, 2 ** 40])] })],
  ["half a block", "MALFORMED", ggufFile({ tensors: [tensor("t", [33], 8)], dataBytes: 100 })],
  [
    "a tensor beyond the end",
    "TRUNCATED",
    ggufFile({ tensors: [tensor("t", [32])], dataBytes: 127 }),
  ],
  [
    "a tensor far away",
    "TRUNCATED",
    ggufFile({ tensors: [tensor("t", [1], 0, 2 ** 50)], dataBytes: 64 }),
  ],
];

t.test("hostile files end in one clear sentence", async (t) => {
  for (const [what, code, bytes] of HOSTILE) {
    await t.rejects(
      read(bytes),
      { name: "GgufError", code, message: /model\.gguf is no usable GGUF file: .+\.$/ },
      what,
    );
  }
  t.equal(await outcome(() => read(tinyGguf())), "fine", "the piece they are made of is right");
});

t.test("what is no file", async (t) => {
  await t.rejects(readGguf(dir, { verbose: false }, { signal }), { code: "NOT_GGUF" }, "a folder");
  const pipe = path.join(dir, "pipe");
  execFileSync("mkfifo", [pipe]);
  await t.rejects(readGguf(pipe, { verbose: false }, { signal }), { code: "NOT_GGUF" }, "a pipe");
  await t.rejects(readGguf(path.join(dir, "none"), { verbose: false }, { signal }), {
    code: "ENOENT",
  });
});

t.test("a file cut off anywhere is refused", async (t) => {
  const bytes = readFileSync(DEMO);
  const firstArray = bytes.indexOf("tokenizer.ggml.tokens") + 200;
  const afterArrays = bytes.indexOf("tokenizer.ggml.bos_token_id");
  const lengths: number[] = [];
  // Every byte of the keys and tensors; inside the long lists, which are all alike, some; and some of the tensors' data.
  for (let n = 0; n < firstArray; n++) lengths.push(n);
  for (let n = firstArray; n < afterArrays; n += 131) lengths.push(n);
  for (let n = afterArrays; n < afterArrays + 2_500; n++) lengths.push(n);
  for (let n = afterArrays + 2_500; n < bytes.length; n += 100_003) lengths.push(n);
  lengths.push(bytes.length - 1);
  writeFileSync(file, bytes);
  for (const length of lengths.reverse()) {
    truncateSync(file, length);
    const code = await outcome(() => readGguf(file, { verbose: false }, { signal }));
    if (code !== (length < 4 ? "NOT_GGUF" : "TRUNCATED")) t.fail(`${length} bytes: ${code}`);
  }
  t.pass(`${lengths.length} lengths`);
});

t.test("damaged headers are read or refused, and nothing else", async (t) => {
  const head = readFileSync(DEMO).subarray(0, 60_000);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(40_000), fc.nat(255)), { minLength: 1, maxLength: 8 }),
      fc.boolean(),
      async (flips, verbose) => {
        const damaged = Buffer.from(head);
        for (const [place, byte] of flips) damaged[place] = byte;
        writeFileSync(file, damaged);
        truncateSync(file, 2_000_000);
        await outcome(() => readGguf(file, { verbose }, { signal }));
      },
    ),
    { numRuns: 300 },
  );
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), async (noise) => {
      await outcome(() => read(Buffer.concat([Buffer.from("GGUF"), u32(3), noise])));
    }),
    { numRuns: 300 },
  );
  t.pass("holds");
});

t.test("an abort ends the reading", async (t) => {
  const aborted = AbortSignal.abort();
  await t.rejects(readGguf(DEMO, { verbose: false }, { signal: aborted }), { name: "AbortError" });
});
