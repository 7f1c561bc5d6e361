import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { ManagementError } from "../../src/core/management.ts";
import { parseModelName } from "../../src/core/model-name.ts";
import type { Quantizer } from "../../src/core/quantization.ts";
import { DEMO_MODEL_PATH } from "../fixtures/demo-model.ts";
import { ggufFile, key, tensor, tinyGguf, value } from "../fixtures/gguf-file.ts";
import { ndjson } from "../fixtures/http.ts";
import { managedStore } from "../fixtures/managed-store.ts";
import { snapshot, writeBlob } from "../fixtures/ollama-folder.ts";
import { recordingLog } from "../fixtures/recording-log.ts";
import { fill, NO_MOUNT, smallDisk } from "../fixtures/small-disk.ts";

const { signal } = new AbortController();
const SOURCE_BYTES = 1_996_320;
const NO_DIGEST = "0000000000000000000";
const FROM = { model: "x", from: "tiny" };

type Store = Awaited<ReturnType<typeof managedStore>>;
type Line = { readonly status: string; readonly total?: number; readonly completed?: number };

const recordOf = ({ store }: Store, name: string) =>
  store.list().find((record) => record.name.endsWith(`/${name}:latest`));

const blobs = ({ dir }: Store): string[] => readdirSync(path.join(dir, "blobs")).sort();

const modelLayer = ({ layersOf }: Store, name: string): string =>
  layersOf(name).find(({ kind }) => kind === "model")?.digest ?? "";

/** A request as the API hands it on. */
function requestFor(name: string, quantize: string) {
  const parsed = [name, "tiny"].map((text) => parseModelName(text));
  const [model, from] = parsed;
  if (!model || !from) throw new Error("these are names");
  const none = { files: {}, adapters: {}, licenses: [], parameters: {}, messages: [] };
  return { ...none, name: model, from, quantize };
}

t.test("a model made of another: its lines, its file and what is told of it", async (t) => {
  const node = await managedStore(t);
  for (const [quantize, quantization, sizeBytes] of [
    ["q8_0", "Q8_0", 1_074_784],
    ["q4_K", "Q4_K_M", 804_448],
    ["F32", "F32", 3_962_464],
    ["bf16", "BF16", 1_996_384],
  ] as const) {
    const { status, text } = await node.call("POST", "/api/create", { ...FROM, quantize });
    t.equal(status, 200, text);
    const lines = ndjson(text) as unknown as Line[];
    const told = lines.filter((line) => line.total !== undefined);
    t.ok(told.length > 1);
    for (const line of told) {
      t.match(line, {
        status: `quantizing F16 model to ${quantization}`,
        ...{ digest: NO_DIGEST, total: SOURCE_BYTES },
      });
    }
    const completed = told.map((line) => line.completed ?? 0);
    t.same([completed[0], completed.at(-1)], [0, SOURCE_BYTES]);
    t.same(
      [...completed].sort((a, b) => a - b),
      completed,
    );
    const digest = modelLayer(node, "x");
    t.same(
      lines.slice(told.length).map((line) => line.status),
      ["verifying conversion", `creating new layer ${digest}`, "writing manifest", "success"],
    );
    t.equal(statSync(path.join(node.dir, "blobs", digest.replace(":", "-"))).size, sizeBytes);
    const record = recordOf(node, "x");
    t.match(record, { details: { quantizationLevel: quantization, parentModel: "" } });
    t.equal(blobs(node).length, 4, "tiny's two, and two: what x was before is gone");
  }
  const again = await node.call("POST", "/api/create", { ...FROM, model: "y", quantize: "BF16" });
  t.match(again.text, `using existing layer ${modelLayer(node, "x")}`);
  t.equal(modelLayer(node, "y"), modelLayer(node, "x"));
  t.equal(recordOf(node, "y")?.manifest, recordOf(node, "x")?.manifest);
  t.equal((await node.call("POST", "/api/create", { ...FROM, quantize: "f16" })).status, 200);
  t.equal(modelLayer(node, "x"), modelLayer(node, "tiny"), "nothing to do");
});

t.test("a model made of a file keeps what the request says", async (t) => {
  const node = await managedStore(t);
  const { digest } = writeBlob(node.dir, readFileSync(DEMO_MODEL_PATH));
  const { text } = await node.call("POST", "/api/create", {
    ...{ model: "x", files: { "my.gguf": digest }, quantize: "Q8_0" },
    ...{ system: "Be brief.", parameters: { top_k: 1 } },
  });
  const statuses = ndjson(text).map(({ status }) => String(status));
  t.same([statuses[0], statuses[1]], ["parsing GGUF", "validating GGUF model"]);
  t.equal(statuses.filter((status) => status.startsWith("creating new layer")).length, 3, text);
  t.same(
    node.layersOf("x").map(({ kind, text }) => [kind, text]),
    [
      ["model", ""],
      ["system", "Be brief."],
      ["params", '{"top_k":1}'],
    ],
  );
  t.match(recordOf(node, "x"), { details: { quantizationLevel: "Q8_0", family: "llama" } });
  const second = { model: "y", files: { "my.gguf": digest }, quantize: "Q4_K_S", stream: false };
  t.same(await node.call("POST", "/api/create", second), {
    ...{ status: 200, text: '{"status":"success"}' },
  });
  const quantized = { model: "z", from: "x", quantize: "Q4_K_M" };
  t.match(await node.call("POST", "/api/create", quantized), {
    ...{ status: 500, text: /quantization is only supported for F16, BF16 and F32 models/ },
  });
});

t.test("who goes in the middle leaves nothing", async (t) => {
  const node = await managedStore(t);
  const before = snapshot(node.dir);
  const leaving = new AbortController();
  const lines = node.keeper.create(requestFor("x", "Q8_0"), { signal: leaving.signal });
  await t.rejects(
    (async () => {
      for await (const { total } of lines) if (total !== undefined) leaving.abort();
    })(),
    { name: "AbortError" },
  );
  t.same(snapshot(node.dir), before);
  for await (const { status } of node.keeper.create(requestFor("x", "Q8_0"), { signal })) {
    if (status === "verifying conversion") break;
  }
  t.same(snapshot(node.dir), before);
});

t.test("others use the store meanwhile, and may remove what it is made of", async (t) => {
  const node = await managedStore(t);
  const source = modelLayer(node, "tiny").replace(":", "-");
  const lines = node.keeper.create(requestFor("x", "Q8_0"), { signal });
  let removed = false;
  for await (const { total } of lines) {
    if (total === undefined || removed) continue;
    removed = true;
    const name = parseModelName("tiny");
    t.ok(name && (await node.keeper.remove(name, { signal })));
    t.ok(blobs(node).includes(source), "its file is still needed");
  }
  t.match(recordOf(node, "x"), { details: { quantizationLevel: "Q8_0" } });
  t.same(
    node.store.list().map(({ name }) => name),
    ["registry.ollama.ai/library/x:latest"],
  );
  t.equal(blobs(node).length, 2, "the model and its config");
});

t.test("a process that is killed, streamed or not", async (t) => {
  const log = recordingLog();
  const kill = (fields: Readonly<Record<string, unknown>>): unknown =>
    process.kill(Number(fields["quantizerPid"]), "SIGKILL");
  const node = await managedStore(t, { log: { ...log, info: kill } });
  const before = snapshot(node.dir);
  const request = { ...FROM, quantize: "Q8_0" };
  const error = /^\{"error":"the quantizer has unexpectedly stopped, [^"\n]+"\}\n?$/;
  for (const stream of [true, false]) {
    const answer = await node.call("POST", "/api/create", { ...request, stream });
    t.match(answer, { status: 500, text: error }, "nothing was told before it had begun");
  }
  t.same(snapshot(node.dir), before);
});

t.test("files that llama.cpp refuses", async (t) => {
  const node = await managedStore(t);
  const f32 = key("general.file_type", value.uint32(0));
  const files = {
    incomplete: tinyGguf([f32]),
    unknown: ggufFile({
      keys: [key("general.architecture", value.text("none\u001b[31m")), f32],
      tensors: [tensor("token_embd.weight", [8, 4])],
      dataBytes: 128,
    }),
    quantized: ggufFile({
      keys: [key("general.architecture", value.text("llama")), f32],
      tensors: [tensor("token_embd.weight", [32, 4], 8)],
      dataBytes: 160,
    }),
  };
  const digests = Object.values(files).map((bytes) => writeBlob(node.dir, bytes).digest);
  const before = snapshot(node.dir);
  for (const digest of digests) {
    const request = { model: "x", files: { "x.gguf": digest }, quantize: "Q8_0", stream: false };
    const { status, text } = await node.call("POST", "/api/create", request);
    t.equal(status, 500, text);
    t.match(text, /^\{"error":"the model cannot be quantized: [^\n]+"\}$/);
    t.notMatch(text, node.root, "no path of this machine is told");
    t.notMatch(text, /u001b/);
  }
  t.same(snapshot(node.dir), before);
});

t.test("a disk that is too small is told beforehand", async (t) => {
  const root = smallDisk(t, 18_000_000);
  if (root === undefined) return t.plan(0, NO_MOUNT);
  const node = await managedStore(t, { root });
  const before = snapshot(node.dir);
  const answer = await node.call("POST", "/api/create", { ...FROM, quantize: "F32" });
  t.match(answer, { status: 507, text: /The quantized model needs \d+\.\d MiB, and .+ free/ });
  t.same(snapshot(node.dir), before);
});

t.test("what a quantizer may do wrong", async (t) => {
  const failed = new ManagementError("QUANTIZATION_FAILED", "it could not write");
  const quantizers: Readonly<Record<string, Quantizer>> = {
    junk: {
      async *quantize({ outputPath }) {
        yield 0;
        writeFileSync(outputPath, "no model");
      },
    },
    "another type": {
      async *quantize({ inputPath, outputPath }) {
        yield 0;
        writeFileSync(outputPath, readFileSync(inputPath));
      },
    },
    nothing: { async *quantize() {} },
  };
  for (const [what, quantizer] of Object.entries(quantizers)) {
    const node = await managedStore(t, { quantizer });
    const before = snapshot(node.dir);
    const request = { ...FROM, quantize: "Q8_0", stream: false };
    t.same(
      await node.call("POST", "/api/create", request),
      {
        status: 500,
        text: '{"error":"the quantizer has written no usable Q8_0 file"}',
      },
      what,
    );
    t.same(snapshot(node.dir), before);
  }

  const root = smallDisk(t, 30_000_000);
  if (root === undefined) return t.comment(NO_MOUNT);
  const quantizer: Quantizer = {
    // biome-ignore lint/correctness/useYield: it fails
    async *quantize() {
      fill(path.join(root, "filler"), 40_000_000);
      throw failed;
    },
  };
  const node = await managedStore(t, { root, quantizer });
  const answer = await node.call("POST", "/api/create", { ...FROM, quantize: "Q8_0" });
  t.match(answer, { status: 507, text: /No space is left in / });
  t.equal(blobs(node).length, 2);
});
