import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { demoCheckpoint } from "../../../test/fixtures/demo-checkpoint.ts";
import { DEMO_MODEL_PATH } from "../../../test/fixtures/demo-model.ts";
import { safetensorsFile } from "../../../test/fixtures/safetensors-file.ts";
import { tempFolder } from "../../../test/fixtures/temp-folder.ts";
import { readGguf } from "../gguf.ts";
import { ConvertedSource } from "./converted-source.ts";
import { planModel } from "./plan-model.ts";

const o = { signal: new AbortController().signal };

function filesIn(folder: string, names: readonly string[]) {
  return names.map((name) => ({ name, file: path.join(folder, name) }));
}

t.test("the demo model's checkpoint becomes the demo model again, value for value", async (t) => {
  const demo = await readGguf(DEMO_MODEL_PATH, { verbose: true }, o);
  const demoBytes = readFileSync(DEMO_MODEL_PATH);
  for (const tokens of ["tokenizer.model", "tokenizer.json"] as const) {
    const folder = tempFolder(t);
    const { names } = await demoCheckpoint(folder, tokens);
    const plan = await planModel(filesIn(folder, names), o);
    const source = new ConvertedSource(plan);
    const blocks: Buffer[] = [];
    for await (const block of source.chunks(o)) blocks.push(Buffer.from(block));
    const bytes = Buffer.concat(blocks);
    t.equal(bytes.length, source.sizeBytes);
    const file = path.join(folder, "x.gguf");
    writeFileSync(file, bytes);
    const made = await readGguf(file, { verbose: true }, o);
    t.equal(made.tensors.length, demo.tensors.length);
    for (const { name, type, shape } of demo.tensors) {
      t.same(
        made.tensors.find((tensor) => tensor.name === name),
        { name, type, shape },
      );
      const [a, b] = [demo.places.data.get(name), made.places.data.get(name)];
      t.ok(demoBytes.subarray(a?.start, a?.end).equals(bytes.subarray(b?.start, b?.end)), name);
    }
    // Its maker has marked the end of a turn; a checkpoint says it is the end of all.
    const differs = /^(general\.|tokenizer\.ggml\.(eos|eot)_token_id|llama\.vocab_size)/;
    for (const [key, value] of demo.metadata) {
      if (differs.test(key) || (tokens === "tokenizer.json" && key.endsWith(".scores"))) continue;
      t.same(made.metadata.get(key), value, key);
    }
    t.equal(made.metadata.get("tokenizer.ggml.eos_token_id"), 5);
    t.equal(made.metadata.get("general.file_type"), demo.metadata.get("general.file_type"));
  }
});

t.test("BF16 stays, F32 becomes F16, and vectors become F32", async (t) => {
  const folder = tempFolder(t);
  const { names } = await demoCheckpoint(folder, "tokenizer.model");
  const values = Float32Array.of(1, -2.5, 0.1, 65_504, 1e-8, 3.14159274, Number.NaN, -0);
  const upper = new Uint16Array(values.buffer).filter((_, i) => i % 2 === 1);
  const rows = [
    { dtype: "F32", shape: [2, 4], bytes: new Uint8Array(values.buffer), type: "F16" },
    { dtype: "BF16", shape: [2, 4], bytes: new Uint8Array(upper.buffer), type: "BF16" },
    { dtype: "BF16", shape: [8], bytes: new Uint8Array(upper.buffer), type: "F32" },
  ];
  for (const { type, ...tensor } of rows) {
    const weights = safetensorsFile([{ ...tensor, name: "model.layers.0.mlp.up_proj.weight" }]);
    writeFileSync(path.join(folder, "model-00001-of-00002.safetensors"), weights);
    const rest = [{ ...tensor, name: "model.embed_tokens.weight", shape: [2, 4] }];
    writeFileSync(path.join(folder, "model-00002-of-00002.safetensors"), safetensorsFile(rest));
    const plan = await planModel(filesIn(folder, names), o);
    t.match(plan.tensors[0], { name: "blk.0.ffn_up.weight", type });
    const blocks: Buffer[] = [];
    for await (const block of new ConvertedSource(plan).chunks(o)) blocks.push(Buffer.from(block));
    const [, block = Buffer.alloc(0)] = blocks;
    const { buffer, byteOffset, length } = block;
    if (type === "F16") {
      t.same([...new Float16Array(buffer, byteOffset, 8)], [...values].map(Math.f16round));
    } else if (type === "BF16") {
      t.same(block, Buffer.from(upper.buffer));
    } else {
      t.equal(length, 32);
      const exact = new Uint32Array(buffer, byteOffset, 8);
      t.same(
        [...exact],
        [...upper].map((half) => (half << 16) >>> 0),
      );
    }
  }
});

t.test("what cannot be a model is refused, with what is wrong with it", async (t) => {
  const folder = tempFolder(t);
  const { names } = await demoCheckpoint(folder, "tokenizer.model");
  const config = JSON.parse(readFileSync(path.join(folder, "config.json"), "utf8"));
  const without = (name: string) => filesIn(folder, names).filter((file) => file.name !== name);
  const withFile = (name: string, content: string | Uint8Array) => {
    const file = path.join(tempFolder(t), name);
    writeFileSync(file, content);
    return [...without(name), { name, file }];
  };
  const withConfig = (change: object) =>
    withFile("config.json", JSON.stringify({ ...config, ...change }));
  const second = "model-00002-of-00002.safetensors";
  const one = (name: string, shape = [2, 2]) =>
    withFile(second, safetensorsFile([{ name, dtype: "F16", shape, bytes: Buffer.alloc(8) }]));
  const rows: readonly (readonly [
    files: ReturnType<typeof without>,
    code: string,
    text: RegExp,
  ])[] = [
    [without("config.json"), "MALFORMED", /^there is no config\.json among the files/],
    [without("tokenizer.model"), "MALFORMED", /no tokenizer\.json and no tokenizer\.model/],
    [without(second), "MALFORMED", /^model-00002-of-00002\.safetensors is missing/],
    [withFile("config.json", "[]"), "MALFORMED", /^config\.json holds no JSON object/],
    [withConfig({ architectures: [] }), "MALFORMED", /names no architecture/],
    [withConfig({ architectures: ["XForCausalLM"] }), "NOT_POSSIBLE", /architecture XForCausalLM/],
    [withConfig({ hidden_size: -1 }), "MALFORMED", /^config\.json: hidden_size: /],
    [withConfig({ hidden_size: 129 }), "MALFORMED", /cannot be shared among 4 heads/],
    [withConfig({ num_attention_heads: 8 }), "MALFORMED", /has not 4 heads of 16 rows/],
    [withConfig({ quantization_config: {} }), "NOT_POSSIBLE", /quantized already/],
    [withConfig({ rope_scaling: { type: "x" } }), "NOT_POSSIBLE", /scaled by "x"/],
    [withConfig({ rope_scaling: { rope_type: "llama3" } }), "MALFORMED", /lacks one of Llama 3's/],
    [withFile(second, "x"), "MALFORMED", /is no safetensors file/],
    [withFile(second, Buffer.alloc(100, 255)), "MALFORMED", /is no safetensors file/],
    [one("model.layers.0.mlp.new_proj.weight"), "NOT_POSSIBLE", /the tensor model\.layers\.0\.mlp/],
    [one("model.embed_tokens.weight"), "MALFORMED", /^both model-00001-of-00002\.safetensors and /],
    [one("language_model.model.embed_tokens.weight"), "MALFORMED", /are the same tensor$/],
    [one("lm_head.weight", [4, 4]), "MALFORMED", /describes its tensor lm_head\.weight wrongly/],
    [withFile("tokenizer.model", "hello"), "MALFORMED", /is no file of SentencePiece/],
    [withFile("tokenizer.model", ""), "NOT_POSSIBLE", /not of the kind BPE/],
  ];
  for (const [files, code, message] of rows) {
    await t.rejects(planModel(files, o), { code, message }, String(message));
  }
});
