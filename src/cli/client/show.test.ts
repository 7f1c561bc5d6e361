import t from "tap";
import { modelSections } from "./show.ts";

const SHOWN = {
  details: { family: "llama", parameter_size: "1B", quantization_level: "F16" },
  model_info: {
    "general.architecture": "llama",
    "llama.context_length": 1024,
    "tokenizer.ggml.scores": new Array(1_024).fill(0),
    "tokenizer.ggml.tokens": ["<unk>", "x".repeat(70), "b"],
    "tokenizer.ggml.few": [1, 2],
    "tokenizer.ggml.none": [],
  },
  tensors: [{ name: "token_embd.weight", type: "F16", shape: [128, 1_024] }],
  capabilities: ["completion"],
  requires: "0.14.0",
  system: "You are\na cat.",
  license: "MIT\n\nmore\nand more",
  projector_info: {
    "general.architecture": "clip",
    "clip.vision.embedding_length": 64,
    "clip.vision.projection_dim": 128,
  },
};

const HEARS = { "general.architecture": "clip", "clip.audio.embedding_length": 32 };

t.test("for people", (t) => {
  const text = modelSections(SHOWN, false);
  t.match(text, / {4}context length {2}1024\n/);
  t.match(text, / {4}requires {8}0\.14\.0\n/);
  t.match(text, /License\n {4}MIT\n {4}more\n$/);
  t.match(text, /\n\n {2}Projector\n {4}architecture {6}clip\n {4}embedding length {2}64\n/);
  t.match(text, / {4}dimensions {8}128\n\n/);
  const hearing = { ...SHOWN, projector_info: { ...HEARS } };
  t.match(modelSections(hearing, false), /clip\n {4}embedding length {2}32\n\n/);
  t.match(text, / {2}System\n {4}You are\n {4}a cat\.\n\n {2}License\n/);
  t.notMatch(text, /Metadata|Tensors/);
  t.notMatch(modelSections({}, false), /requires/);
  t.end();
});

t.test("all of it, but not all of a vocabulary", (t) => {
  const lines = modelSections(SHOWN, true)
    .split("\n")
    .map((line) => line.trim());
  for (const line of [
    "tokenizer.ggml.scores  [0, 0, 0, 0, 0, 0, 0, 0, +1016 more]",
    'tokenizer.ggml.tokens  ["<unk>", +2 more]',
    "tokenizer.ggml.few     [1, 2]",
    "tokenizer.ggml.none    []",
    "token_embd.weight  F16  [128 1024]",
  ]) {
    t.ok(lines.includes(line), line);
  }
  t.end();
});
