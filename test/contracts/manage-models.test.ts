import { readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { parseModelName } from "../../src/core/model-name.ts";
import { DEMO_MODEL_PATH } from "../fixtures/demo-model.ts";
import { ggufFile, key, tensor, tinyGguf, value } from "../fixtures/gguf-file.ts";
import { managedStore } from "../fixtures/managed-store.ts";
import { OciRegistry } from "../fixtures/oci-registry.ts";
import { snapshot, writeBlob } from "../fixtures/ollama-folder.ts";
import { serveModel } from "../fixtures/registry-model.ts";
import { splitGguf } from "../fixtures/split-gguf.ts";

const { signal } = new AbortController();
const MISSING = `sha256:${"0".repeat(64)}`;
/** Nobody listens there. */
const NO_REGISTRY = "127.0.0.1:1";
const NAMES = [
  "../x",
  "a/../b",
  "%2e%2e/x",
  "..",
  "a:../b",
  "x".repeat(81),
  "/x",
  "@",
  "a b",
  "x:",
];

t.test("what copy and delete refuse", async (t) => {
  const { call, dir, root } = await managedStore(t);
  const before = snapshot(dir);
  const rows: readonly (readonly [call: string, body: unknown, status: number, error: string])[] = [
    ["POST copy", "", 400, "missing request body"],
    ["POST copy", {}, 400, 'source "" is invalid'],
    ["POST copy", { source: "tiny" }, 400, 'destination "" is invalid'],
    ["POST copy", { source: "none", destination: "x" }, 404, 'model "none" not found'],
    ["POST copy", { source: "no/ne:1", destination: "x" }, 404, 'model "no/ne:1" not found'],
    ["DELETE delete", "", 400, "missing request body"],
    ["DELETE delete", "{}", 400, "model is required"],
    ["DELETE delete", "null", 400, "model is required"],
    ["DELETE delete", { model: "none" }, 404, "model 'none' not found"],
    ["DELETE delete", { name: "none:x" }, 404, "model 'none:x' not found"],
    ...NAMES.flatMap((name) => [
      [
        "POST copy",
        { source: name, destination: "x" },
        400,
        `source ${JSON.stringify(name)} is invalid`,
      ] as const,
      [
        "POST copy",
        { source: "tiny", destination: name },
        400,
        `destination ${JSON.stringify(name)} is invalid`,
      ] as const,
      ["DELETE delete", { model: name }, 400, `name ${JSON.stringify(name)} is invalid`] as const,
      ["POST create", { model: name, from: "tiny" }, 400, "invalid model name"] as const,
      ["POST create", { model: "x", from: name }, 400, "invalid model name"] as const,
    ]),
  ];
  for (const [route, body, status, error] of rows) {
    const [method = "", name] = route.split(" ");
    const answer = await call(method, `/api/${name}`, body);
    t.same([answer.status, JSON.parse(answer.text)], [status, { error }], JSON.stringify(body));
  }
  t.same(snapshot(dir), before);
  t.same(readdirSync(root), ["models"]);
});

t.test("what create refuses, and then leaves nothing", async (t) => {
  const { call, dir, root } = await managedStore(t);
  const sent = (bytes: string | Uint8Array): string => writeBlob(dir, bytes).digest;
  const junk = sent("no model");
  const cut = sent(tinyGguf().subarray(0, 60));
  const empty = sent(ggufFile({ keys: [key("general.architecture", value.text("llama"))] }));
  const split = sent(tinyGguf([key("split.count", value.uint32(2))]));
  const tiny = sent(tinyGguf());
  const before = snapshot(dir);
  const quantized = "quantization is only supported for F16, BF16 and F32 models";
  const types = "supported types are F32, F16, Q4_K_S, Q4_K_M, Q8_0";
  const from = { model: "x", from: "tiny" };
  const files = (digest: string, name = "x.gguf") => ({ model: "x", files: { [name]: digest } });
  const rows: readonly (readonly [body: unknown, status: number, error: string | RegExp])[] = [
    ["", 400, "missing request body"],
    ["{}", 400, "invalid model name"],
    [{ model: "x" }, 400, "neither 'from' or 'files' was specified"],
    [{ model: "x", files: {} }, 400, "no files provided to convert"],
    [{ model: "x", from: `${NO_REGISTRY}/ns/none`, stream: false }, 500, /^pull model manifest: /],
    [files(""), 400, "invalid digest format"],
    [files("sha256:12"), 400, "invalid digest format"],
    [files(`sha256:../../${"0".repeat(58)}`), 400, "invalid digest format"],
    [files(MISSING), 400, `blob "${MISSING}" not found`],
    ...["/x.gguf", "../x.gguf", "a/../x", "", "a//b", "./x", "a\\b", "a\0b"].map(
      (name) => [files(tiny, name), 400, "file path must be relative"] as const,
    ),
    [files(junk), 400, "supplied file was not in GGUF format"],
    [files(junk, "x.safetensors"), 400, /^there is no config\.json among the files/],
    [files(cut), 400, /^x\.gguf is no usable GGUF file \([A-Z_]+\)$/],
    [files(empty), 400, "unknown type"],
    [files(split), 400, /^x\.gguf is one of 2 parts of a model, and 1 of them came/],
    [{ model: "x", files: { a: tiny, b: tiny } }, 400, /more than one was sent$/],
    [{ ...from, adapters: { a: tiny, b: tiny } }, 400, "only one adapter is currently supported"],
    [{ ...from, adapters: { a: junk } }, 400, "supplied file was not in GGUF format"],
    [{ ...from, adapters: { a: tiny } }, 400, "supplied file is no adapter"],
    [{ ...from, quantize: "q9" }, 500, `unsupported quantization type Q9 - ${types}`],
    [{ ...files(tiny), quantize: "Q8_0" }, 500, quantized],
    [{ ...from, remote_host: "http://x" }, 501, /^remote models are not supported/],
    [{ ...from, draft_files: { a: tiny } }, 501, "DRAFT models are not supported"],
    [{ ...from, template: "{{ .Prompt" }, 400, "template error: template: :1: unclosed action"],
    [
      { ...from, template: "{{ if .System }}x" },
      400,
      "template error: template: :1: unexpected EOF",
    ],
    [{ ...from, parameters: { num_ctx: "many" } }, 400, 'option "num_ctx" must be of type integer'],
    [`{"model":"x","from":"tiny","parameters":{"top_k":1e300}}`, 400, /^option "top_k" must be/],
    [`{"model":"x","from":"tiny","parameters":{"top_p":1e999}}`, 400, /^option "top_p" must be/],
    [{ ...from, license: 5 }, 400, "license must be a text or a list of texts"],
    [{ ...from, draft_quantize: "q8_0" }, 400, "--draft-quantize requires a DRAFT model"],
    [{ ...from, info: { model_family: 5 } }, 400, 'info field "model_family" must be a string'],
    [
      { ...from, info: { context_length: "9" } },
      400,
      'info field "context_length" must be a number',
    ],
    [
      { ...from, info: { context_length: -1 } },
      400,
      'info field "context_length" must be a non-negative integer',
    ],
    [{ ...from, files: 5 }, 400, /^json: cannot unmarshal number into Go struct field/],
    [{ ...from, messages: Array(10_001).fill({ role: "user" }) }, 400, /^at most 10000 messages/],
    [{ ...from, license: Array(1_001).fill("x") }, 400, /^at most 1000 licenses/],
  ];
  for (const [body, status, error] of rows) {
    const what = JSON.stringify(body).slice(0, 200);
    const answer = await call("POST", "/api/create", body);
    t.equal(answer.status, status, `${what} ${answer.text}`);
    t.match(JSON.parse(answer.text), { error }, what);
    t.notMatch(answer.text, root, "no path of this machine is told");
  }
  t.same(snapshot(dir), before);
  t.same(readdirSync(root), ["models"]);
});

t.test("layers replace, add up, merge and go", async (t) => {
  const { call, dir, layersOf, store } = await managedStore(t);
  const first = {
    ...{ model: "one", from: "tiny", template: "{{ .Prompt }}", system: "A", license: "L1" },
    parameters: { top_k: 1, seed: -5, stop: ["x"] },
    messages: [{ role: "user", content: "hi" }],
    ...{ renderer: "r", parser: "p", requires: "0.14.0" },
  };
  t.equal((await call("POST", "/api/create", first)).status, 200);
  const second = { model: "two", from: "one", parameters: { top_k: 2 }, license: ["L2", "L1"] };
  t.equal((await call("POST", "/api/create", second)).status, 200);
  t.same(
    layersOf("two").map(({ kind, text }) => [kind, text]),
    [
      ["model", ""],
      ["template", "{{ .Prompt }}"],
      ["system", "A"],
      ["messages", '[{"role":"user","content":"hi"}]'],
      ["license", "L1"],
      ["license", "L2"],
      ["params", '{"top_k":2,"seed":-5,"stop":["x"]}'],
    ],
  );
  const two = store.list().find(({ name }) => name.endsWith("/two:latest"));
  t.match(two, { details: { parentModel: "one:latest", family: "llama" } });
  const shown = two && (await store.describe(two.manifest, { verbose: false }, { signal }));
  t.match(shown, { renderer: "r", parser: "p", requires: "0.14.0", system: "A" });

  const held = readdirSync(path.join(dir, "blobs")).length;
  t.equal(
    (await call("POST", "/api/create", { ...second, model: "TWO", system: "B" })).status,
    200,
  );
  t.equal(readdirSync(path.join(dir, "blobs")).length, held + 1, "only the new system and config");
  t.equal(layersOf("two").find(({ kind }) => kind === "system")?.text, "B");
  t.equal((await call("POST", "/api/create", { ...second, system: "C" })).status, 200);
  t.equal(readdirSync(path.join(dir, "blobs")).length, held + 1, "what B had goes with it");

  t.equal(
    (await call("POST", "/api/copy", { source: "ONE", destination: "ns/three:v1" })).status,
    200,
  );
  for (const name of ["one", "two", "tiny"]) {
    t.same(await call("DELETE", "/api/delete", { name }), { status: 200, text: "" }, name);
  }
  t.same(
    store.list().map(({ name }) => name),
    ["registry.ollama.ai/ns/three:v1"],
  );
  t.equal((await call("DELETE", "/api/delete", { model: "ns/three:v1" })).status, 200);
  t.same(snapshot(dir), {});
  t.same(readdirSync(path.join(dir, "manifests")), [], "no empty folders");
});

t.test(
  "an adapter, told by what is in its file; a quantization that is there already",
  async (t) => {
    const { call, dir, layersOf, store } = await managedStore(t);
    const lora = ggufFile({
      keys: [
        key("general.architecture", value.text("llama")),
        key("general.type", value.text("adapter")),
        key("adapter.type", value.text("lora")),
      ],
      tensors: [tensor("blk.0.attn_q.weight.lora_a", [8, 4])],
      dataBytes: 128,
    });
    const { digest } = writeBlob(dir, lora);
    const body = { model: "x", from: "tiny", adapters: { "lora.gguf": digest }, quantize: "f16" };
    t.equal(
      (await call("POST", "/api/create", { ...body, stream: false })).text,
      '{"status":"success"}',
    );
    t.same(
      layersOf("x").map(({ kind }) => kind),
      ["model", "adapter"],
    );
    const record = store.list().find(({ name }) => name.endsWith("/x:latest"));
    const files = record && (await store.open(record.manifest, { signal }));
    t.match(files?.adapterPaths, [digest.replace(":", "-")]);
  },
);

t.test("what a client says of a model counts more than what its files say", async (t) => {
  const { call, store } = await managedStore(t);
  const info = {
    ...{ model_family: "bee", base_name: "b", quantization_level: "Q9", parameter_size: "7B" },
    ...{ context_length: 99, embedding_length: 7, capabilities: ["insert", 5, "insert"] },
  };
  const created = await call("POST", "/api/create", { model: "x", from: "tiny", info });
  t.equal(created.status, 200);
  const record = () => store.list().find(({ name }) => name.endsWith("/x:latest"));
  const details = {
    ...{ family: "bee", families: ["bee"], quantizationLevel: "Q9", parameterSize: "7B" },
    ...{ contextLength: 99, embeddingLength: 7 },
  };
  t.match(record(), { details, capabilities: ["completion", "insert"] });
  await call("POST", "/api/create", { model: "x", from: "x", info: { parameter_size: "8B" } });
  t.match(record(), { details: { ...details, parameterSize: "8B" } }, "the rest is inherited");
});

t.test("the parts of a split model, in any order, are merged and may be quantized", async (t) => {
  const { call, dir, layersOf } = await managedStore(t);
  const parts = await splitGguf(DEMO_MODEL_PATH, [20, 10, 8]);
  const digests = parts.map((part) => writeBlob(dir, part).digest);
  const [first, second, third] = digests;
  const files = { "x-3.gguf": third, "x-1.gguf": first, "x-2.gguf": second };
  const { text } = await call("POST", "/api/create", { model: "x", files });
  const statuses = text.split("\n").flatMap((line) => /"status":"([^"]*)/.exec(line)?.[1] ?? []);
  t.same(statuses.slice(0, 5), [
    ...["parsing GGUF", "parsing GGUF", "parsing GGUF", "validating GGUF model"],
    "merging GGUF parts",
  ]);
  t.match(statuses.at(-3), /^using existing layer/, "the demo model is here");
  t.equal(layersOf("x")[0]?.digest, layersOf("tiny")[0]?.digest);

  const quantized = { model: "y", files, quantize: "q8_0", stream: false };
  t.equal((await call("POST", "/api/create", quantized)).text, '{"status":"success"}');
  await call("POST", "/api/create", { model: "z", from: "tiny", quantize: "q8_0", stream: false });
  t.equal(layersOf("y")[0]?.digest, layersOf("z")[0]?.digest);

  await call("DELETE", "/api/delete", { model: "x" });
  await call("DELETE", "/api/delete", { model: "tiny" });
  const before = snapshot(dir);
  const again = await call("POST", "/api/create", { model: "w", files, stream: false });
  t.equal(again.text, '{"status":"success"}', "written this time");
  await call("DELETE", "/api/delete", { model: "w" });
  t.same(snapshot(dir), before, "and gone with its model; the parts stay what a client sent");
  const rows = [
    [{ "1.gguf": first, "2.gguf": second }, /is one of 3 parts of a model, and 2 of them came/],
    [{ "1.gguf": first, "2.gguf": second, "3.gguf": second }, /3\.gguf is .* same part as /],
    [{ "1.gguf": first, "t.gguf": writeBlob(dir, tinyGguf()).digest }, /more than one was sent$/],
  ] as const;
  for (const [wrong, error] of rows) {
    const answer = await call("POST", "/api/create", { model: "v", files: wrong });
    t.equal(answer.status, 400);
    t.match(JSON.parse(answer.text).error, error);
  }
});

t.test("who leaves while parts are merged leaves nothing", async (t) => {
  const { call, dir, keeper } = await managedStore(t);
  const parts = await splitGguf(DEMO_MODEL_PATH, [20, 18]);
  const files = Object.fromEntries(parts.map((part, i) => [`${i}`, writeBlob(dir, part).digest]));
  await call("DELETE", "/api/delete", { model: "tiny" });
  const before = snapshot(dir);
  const name = parseModelName("x");
  if (!name) throw new Error("fixture");
  const request = { name, files, adapters: {}, licenses: [], parameters: {}, messages: [] };
  for await (const { status } of keeper.create(request, { signal })) {
    if (status !== "merging GGUF parts") continue;
    t.not(readdirSync(path.join(dir, "blobs")).length, Object.keys(files).length, "it is begun");
    break;
  }
  t.same(snapshot(dir), before);
});

t.test("a pull of what is no GGUF file is no success, and leaves no model", async (t) => {
  const { call, dir } = await managedStore(t);
  const registry = await OciRegistry.open(t);
  const { model } = { model: `${registry.host}/a/b:c` };
  serveModel(registry, "a/b:c", { model: Buffer.from("no model, whatever its layer says") });
  const before = snapshot(path.join(dir, "manifests"));
  const body = { model, insecure: true, stream: false };
  t.match(await call("POST", "/api/pull", body), {
    status: 400,
    text: /its model is no usable GGUF file \(NOT_GGUF/,
  });
  t.same(snapshot(path.join(dir, "manifests")), before);
});

t.test("a manifest that cannot be read may need any blob", async (t) => {
  const { call, dir } = await managedStore(t);
  const broken = path.join(dir, "manifests/registry.ollama.ai/library/tiny");
  writeFileSync(path.join(broken, "broken"), "{");
  const blobs = readdirSync(path.join(dir, "blobs"));
  t.equal((await call("DELETE", "/api/delete", { model: "tiny" })).status, 200);
  t.same(readdirSync(path.join(dir, "blobs")), blobs);
  t.same(readdirSync(broken), ["broken"]);
  t.equal((await call("DELETE", "/api/delete", { model: "tiny:broken" })).status, 200);
});
