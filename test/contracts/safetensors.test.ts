import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { systemClock } from "../../src/core/clock.ts";
import { silentLog } from "../../src/core/log.ts";
import { parseModelName } from "../../src/core/model-name.ts";
import { seededRandom } from "../../src/core/random.ts";
import { collect, waiting } from "../../src/engine/engine.contract.ts";
import { LlamaEngine } from "../../src/engine/llama-engine.ts";
import { demoCheckpoint } from "../fixtures/demo-checkpoint.ts";
import { DEMO_ANSWERS } from "../fixtures/demo-model.ts";
import { managedStore } from "../fixtures/managed-store.ts";
import { snapshot, writeBlob } from "../fixtures/ollama-folder.ts";
import { randomCheckpoint, SIZES } from "../fixtures/random-checkpoint.ts";
import { referenceLogprobs } from "../fixtures/reference-model.ts";
import { safetensorsFile } from "../fixtures/safetensors-file.ts";
import { tempFolder } from "../fixtures/temp-folder.ts";
import { byteFallbackTokenizer } from "../fixtures/tokenizers.ts";

const SKY = "why is the sky blue?";
const ADAPTER = { peft_type: "LORA", r: 2, lora_alpha: 4, use_rslora: false };

type Store = Awaited<ReturnType<typeof managedStore>>;

/** Name → digest of each file in the folder, sent as blobs. */
function sent(dir: string, folder: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(folder).map((name) => {
      return [name, writeBlob(dir, readFileSync(path.join(folder, name))).digest];
    }),
  );
}

async function engineOf({ store }: Store) {
  const deps = { models: store, clock: systemClock, random: seededRandom(1), log: silentLog };
  const engine = await LlamaEngine.open({}, deps);
  const modelOf = (name: string) => {
    const found = store.list().find((record) => record.name.endsWith(`/${name}:latest`));
    if (!found) throw new Error(`no model ${name}`);
    return found.manifest;
  };
  return { engine, modelOf };
}

t.test("a checkpoint becomes a model that answers; it may be quantized at once", async (t) => {
  const managed = await managedStore(t);
  const { call, dir, store, layersOf } = managed;
  const folder = tempFolder(t);
  await demoCheckpoint(folder, "tokenizer.model");
  const files = sent(dir, folder);
  const { text } = await call("POST", "/api/create", { model: "x", files, system: "Be brief." });
  const lines = text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  t.match(lines[0], { status: "converting model", total: 1_996_160, digest: /^0+$/ });
  t.match(lines.at(-3)?.status, /^creating new layer/);
  t.same(
    lines.slice(-2).map(({ status }) => status),
    ["writing manifest", "success"],
  );
  const record = store.list().find(({ name }) => name.endsWith("/x:latest"));
  t.match(record?.details, { family: "llama", parameterSize: "984K", quantizationLevel: "F16" });
  const again = await call("POST", "/api/create", { model: "y", files, stream: false });
  t.equal(again.text, '{"status":"success"}');
  t.equal(layersOf("y")[0]?.digest, layersOf("x")[0]?.digest, "the same files, the same model");
  const small = { model: "z", files, quantize: "q8_0", stream: false };
  t.equal((await call("POST", "/api/create", small)).text, '{"status":"success"}');
  const { engine, modelOf } = await engineOf(managed);
  await using _ = engine;
  for (const name of ["y", "z"]) {
    const { text: answer } = await collect({ engine, model: modelOf(name) }, {});
    t.equal(answer, DEMO_ANSWERS[SKY], name);
  }
});

t.test("an adapter, of PEFT's files, does what the same change of the weights does", async (t) => {
  const managed = await managedStore(t);
  const { call, dir, layersOf } = managed;
  const base = tempFolder(t);
  const weights = new Map(randomCheckpoint(base, "LlamaForCausalLM", byteFallbackTokenizer()));
  const folder = tempFolder(t);
  const random = seededRandom(3);
  const matrices = ["q", "k"].flatMap((part) => {
    const name = `model.layers.0.self_attn.${part}_proj`;
    const rows = (weights.get(`${name}.weight`)?.length ?? 0) / SIZES.hidden_size;
    const a = Float32Array.from({ length: 2 * SIZES.hidden_size }, () => random.next() - 0.5);
    const b = Float32Array.from({ length: rows * 2 }, () => random.next() - 0.5);
    const changed = weights.get(`${name}.weight`)?.map((value, i) => {
      const [row, column] = [Math.floor(i / SIZES.hidden_size), i % SIZES.hidden_size];
      const delta = [0, 1].reduce((sum, k) => {
        return sum + (b[row * 2 + k] ?? 0) * (a[k * SIZES.hidden_size + column] ?? 0);
      }, 0);
      return value + (ADAPTER.lora_alpha / ADAPTER.r) * delta;
    });
    weights.set(`${name}.weight`, changed ?? new Float32Array());
    const tensor = (matrix: string, values: Float32Array, shape: number[]) => ({
      ...{ name: `base_model.model.${name}.lora_${matrix}.weight`, dtype: "F32", shape },
      bytes: new Uint8Array(values.buffer),
    });
    return [tensor("A", a, [2, SIZES.hidden_size]), tensor("B", b, [rows, 2])];
  });
  writeFileSync(path.join(folder, "adapter_config.json"), JSON.stringify(ADAPTER));
  writeFileSync(path.join(folder, "adapter_model.safetensors"), safetensorsFile(matrices));

  const files = sent(dir, base);
  const adapters = sent(dir, folder);
  const create = async (body: object) =>
    (await call("POST", "/api/create", { ...body, stream: false })).text;
  t.equal(await create({ model: "base", files }), '{"status":"success"}');
  t.equal(await create({ model: "tuned", from: "base", adapters }), '{"status":"success"}');
  t.same(
    layersOf("tuned").map(({ kind }) => kind),
    ["model", "adapter"],
  );
  t.equal(await create({ model: "both", files, adapters }), '{"status":"success"}', "at once");
  t.same(
    layersOf("both").map(({ digest }) => digest),
    layersOf("tuned").map((l) => l.digest),
  );

  const { engine, modelOf } = await engineOf(managed);
  await using _ = engine;
  const model = modelOf("tuned");
  const prompt = "The cat isn't 12 toys";
  const of = { kind: "text", text: prompt, addSpecial: true, parseSpecial: true } as const;
  const { tokens } = await engine.tokens({ requestId: "t", model, runner: {}, of }, waiting());
  const expected = [...referenceLogprobs("LlamaForCausalLM", weights, tokens)].sort(
    (a, b) => b - a,
  );
  const { events } = await collect(
    { engine, model },
    {
      input: { kind: "prompt", prompt },
      ...{ sampling: { temperature: 0 }, maxTokens: 1, logprobs: { top: 20 } },
    },
  );
  const [first] = events.flatMap((event) => (event.type === "text" ? (event.logprobs ?? []) : []));
  const differences = first?.top?.map((top, i) => Math.abs(top.logprob - (expected[i] ?? 0))) ?? [];
  t.equal(differences.length, 20);
  t.ok(Math.max(...differences) < 0.05, `${Math.max(...differences)}`);
});

t.test("what cannot be converted is refused, and leaves nothing", async (t) => {
  const { call, dir, keeper } = await managedStore(t);
  const folder = tempFolder(t);
  await demoCheckpoint(folder, "tokenizer.model");
  const files = sent(dir, folder);
  const other = (name: string, content: string) => {
    return { ...files, [name]: writeBlob(dir, content).digest };
  };
  const { "config.json": config = "", ...withoutConfig } = files;
  const adapter = {
    "adapter_config.json": writeBlob(dir, JSON.stringify(ADAPTER)).digest,
    "adapter_model.safetensors": files["model-00001-of-00002.safetensors"],
  };
  const dora = {
    ...adapter,
    "adapter_config.json": writeBlob(dir, '{"r":1,"lora_alpha":1,"use_dora":true}').digest,
  };
  const junk = other("model-00001-of-00002.safetensors", "junk");
  const unknown = other("config.json", '{"architectures":["MambaForCausalLM"],"hidden_size":1}');
  const before = snapshot(dir);
  const rows: readonly (readonly [body: object, status: number, error: RegExp])[] = [
    [{ files: withoutConfig }, 400, /^there is no config\.json among the files/],
    [{ files: junk }, 400, /^model-00001-of-00002\.safetensors is no safetensors file/],
    [{ files: unknown }, 400, /^config\.json: num_hidden_layers: /],
    [{ files: { ...files, "../x.safetensors": config } }, 400, /^file path must be relative$/],
    [{ files: { ...files, "x.safetensors": `sha256:${"0".repeat(64)}` } }, 400, /not found$/],
    [{ from: "tiny", adapters: adapter }, 501, /^an adapter with the tensor model\./],
    [{ from: "tiny", adapters: dora }, 501, /^an adapter of the kind DoRA cannot be converted/],
  ];
  for (const [body, status, error] of rows) {
    const answer = await call("POST", "/api/create", { model: "v", ...body });
    t.match([answer.status, JSON.parse(answer.text).error], [status, error]);
  }
  t.same(snapshot(dir), before);

  const name = parseModelName("x");
  if (!name) throw new Error("fixture");
  const request = { name, files, adapters: {}, licenses: [], parameters: {}, messages: [] };
  for await (const { status } of keeper.create(request, waiting())) {
    if (status === "converting model") break;
  }
  t.same(snapshot(dir), before, "who leaves in the middle leaves nothing");
});
