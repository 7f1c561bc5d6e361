import { writeFileSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { draftOf, fileOf, floatsOf, madeOf } from "../../../test/fixtures/counted-gguf.ts";
import { ggufFile, key, value } from "../../../test/fixtures/gguf-file.ts";
import { bool } from "../../../test/fixtures/projector-file.ts";
import { tempFolder } from "../../../test/fixtures/temp-folder.ts";
import { readGguf } from "../gguf.ts";
import type { GgufDraft } from "./gguf-draft.ts";
import { nameOldProjector, toProjector } from "./projector-layouts.ts";

const o = { signal: new AbortController().signal };
const F16 = 1;
const Q8_0 = 8;

t.test("projectors: patches of two frames, and queries, keys and values in one", async (t) => {
  const keys = {
    "general.architecture": "qwen3vl",
    "qwen3vl.embedding_length": 8,
    "qwen3vl.vision.block_count": 2,
    "qwen3vl.vision.patch_size": 2,
    "qwen3vl.vision.deepstack_visual_indexes": [1],
  };
  const source = fileOf(t, keys, [
    ["v.blk.0.attn_q.weight", 32, 1, { type: F16 }],
    ["v.blk.0.attn_k.weight", 32, 1],
    ["v.blk.0.attn_v.weight", 32, 1, { type: Q8_0 }],
    ["v.deepstack_merger.0.linear_fc1.weight", 4],
    ["v.patch_embed.weight", 1, 1, 2, 6, { type: F16 }],
    ["v.pos_embed.weight", 4, 16, { type: F16 }],
    ["token_embd.weight", 8],
  ]);
  const draft = toProjector(await draftOf(source));
  if (!draft) throw new Error("it has one");
  const made = await madeOf(t, source, draft);
  const { metadata, tensors } = await readGguf(made, { verbose: true }, o);
  t.equal(metadata.get("clip.projector_type"), "qwen3vl_merger");
  t.equal(metadata.get("clip.vision.projection_dim"), 8);
  t.equal(metadata.get("clip.vision.image_size"), 8);
  t.same(metadata.get("clip.vision.is_deepstack_layers"), { length: 2, values: [false, true] });
  t.same(
    tensors.map(({ name, type, shape }) => [name, type, ...shape]),
    [
      ["v.deepstack.1.fc1.weight", "F32", 4],
      ["v.position_embd.weight", "F32", 4, 16],
      ["v.blk.0.attn_qkv.weight", "F32", 32, 3],
      ["v.patch_embd.weight", "F32", 1, 1, 3, 2],
      ["v.patch_embd.weight.1", "F32", 1, 1, 3, 2],
    ],
  );
  // Byte i of the file's data is i % 251.
  const half = (at: number): number =>
    new DataView(Uint8Array.of(at % 251, (at + 1) % 251).buffer).getFloat16(0, true);
  const patchesAt = 64 + 128 + 64 + 32;
  const ofFrame = (frame: number) =>
    Array.from({ length: 6 }, (_, i) => half(patchesAt + 2 * (2 * i + frame)));
  t.same(await floatsOf(made, "v.patch_embd.weight"), ofFrame(0));
  t.same(await floatsOf(made, "v.patch_embd.weight.1"), ofFrame(1));
  const joined = await floatsOf(made, "v.blk.0.attn_qkv.weight");
  t.same(
    joined.slice(0, 32),
    Array.from({ length: 32 }, (_, i) => half(2 * i)),
  );
  t.same(joined.slice(32, 64), await floatsOf(source, "v.blk.0.attn_k.weight"));
  const at = 64 + 128;
  const scale = half(at);
  const signed = (byte: number): number => (byte > 127 ? byte - 256 : byte);
  t.same(
    joined.slice(64),
    Array.from({ length: 32 }, (_, i) => Math.fround(scale * signed((at + 2 + i) % 251))),
  );
});

t.test("projectors: the rows of a head in llama.cpp's order", async (t) => {
  const keys = {
    "general.architecture": "mistral3",
    "mistral3.embedding_length": 2,
    "mistral3.vision.block_count": 1,
    "mistral3.vision.attention.head_count": 1,
  };
  const source = fileOf(t, keys, [["v.blk.0.attn_q.weight", 1, 4]]);
  const draft = toProjector(await draftOf(source));
  if (!draft) throw new Error("it has one");
  const made = await madeOf(t, source, draft);
  const [a, b, c, d] = await floatsOf(source, "v.blk.0.attn_q.weight");
  t.same(await floatsOf(made, "v.blk.0.attn_q.weight"), [a, c, b, d]);
  t.same(await floatsOf(made, "v.token_embd.img_break"), [0, 0]);
});

t.test("projectors from before they had types", async (t) => {
  const clip = key("general.architecture", value.text("clip"));
  const sees = key("clip.has_vision_encoder", bool(true));
  const of = async (...keys: readonly Buffer[]): Promise<GgufDraft> => {
    const file = path.join(tempFolder(t), "clip.gguf");
    writeFileSync(file, ggufFile({ keys }));
    return await draftOf(file);
  };
  const old = await of(clip, sees);
  t.equal(nameOldProjector(old), true);
  t.equal(old.text("clip.projector_type"), "mlp");
  const typed = key("clip.projector_type", value.text("ldp"));
  t.equal(nameOldProjector(await of(clip, sees, typed)), false);
  t.equal(nameOldProjector(await of(clip)), false);
  t.equal(toProjector(old), undefined);
});
