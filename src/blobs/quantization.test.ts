import { statSync } from "node:fs";
import t from "tap";
import { DEMO_MODEL_PATH } from "../../test/fixtures/demo-model.ts";
import type { Quantization } from "../core/quantization.ts";
import { readGguf } from "./gguf.ts";
import { ggufFacts } from "./gguf-facts.ts";
import { quantizationOf, quantizedBytesMax } from "./quantization.ts";

const { signal } = new AbortController();
const MIB = 1024 * 1024;

t.test("what is to be done", (t) => {
  const rows: readonly (readonly [
    wanted: string | undefined,
    current: string,
    type: string | undefined,
  ])[] = [
    [undefined, "F16", undefined],
    ["", "Q4_0", undefined],
    ["q8_0", "F16", "Q8_0"],
    ["Q4_K", "BF16", "Q4_K_M"],
    ["Q4_k_s", "F32", "Q4_K_S"],
    ["bf16", "F32", "BF16"],
    ["F32", "F16", "F32"],
    ["f16", "F16", undefined],
    ["Q4_K", "Q4_K_M", undefined],
    ["q8_0", "Q8_0", undefined],
  ];
  for (const [wanted, current, type] of rows) {
    t.equal(quantizationOf(wanted, current), type, `${wanted} of ${current}`);
  }
  t.end();
});

t.test("what cannot be done, in Ollama's words", (t) => {
  const types = "supported types are F32, F16, Q4_K_S, Q4_K_M, Q8_0";
  const sources = "quantization is only supported for F16, BF16 and F32 models";
  const rows: readonly (readonly [wanted: string, current: string, message: string])[] = [
    ["Q5_K_M", "F16", `unsupported quantization type Q5_K_M - ${types}`],
    ["constructor", "F16", `unsupported quantization type CONSTRUCTOR - ${types}`],
    ["x".repeat(100), "F16", `unsupported quantization type ${"X".repeat(40)} - ${types}`],
    ["Q8_0", "Q4_K_M", sources],
    ["F16", "Q8_0", sources],
    ["Q8_0", "unknown", sources],
  ];
  for (const [wanted, current, message] of rows) {
    t.throws(() => quantizationOf(wanted, current), { code: "QUANTIZATION_INVALID", message });
  }
  t.end();
});

t.test("the room that it takes: not less than it is, and not much more", async (t) => {
  const facts = ggufFacts(await readGguf(DEMO_MODEL_PATH, { verbose: false }, { signal }));
  const { size: sizeBytes } = statSync(DEMO_MODEL_PATH);
  // As llama.cpp writes the demo model; and Llama 3.1 8B, by the sizes that its files have.
  const rows: readonly (readonly [quantization: Quantization, bytes: number])[] = [
    ["F32", 3_962_464],
    ["BF16", 1_996_384],
    ["Q8_0", 1_074_784],
    ["Q4_K_S", 759_392],
    ["Q4_K_M", 804_448],
  ];
  for (const [quantization, bytes] of rows) {
    const room = quantizedBytesMax({ sizeBytes, facts }, quantization);
    t.ok(room >= bytes && room <= bytes + 17 * MIB, `${quantization}: ${room}`);
  }
  const large = { sizeBytes: 16_068_890_912, facts: { ...facts, parameterCount: 8_030_261_312 } };
  for (const [quantization, bytes, most] of [
    ["F32", 32_129_400_000, 1.01],
    ["Q8_0", 8_540_770_464, 1.01],
    ["Q4_K_M", 4_920_734_880, 1.4],
  ] as const) {
    const room = quantizedBytesMax(large, quantization);
    t.ok(room >= bytes && room <= bytes * most, `${quantization}: ${room}`);
  }
});
