import fc from "fast-check";
import t from "tap";
import { QuantizerOutput } from "./quantizer-output.ts";

// As llama.cpp v0.5.0 writes it.
const NORM =
  "[   1/  38] output_norm.weight                   - [   128,      1,      1,      1], type =    f32, size =    0.000 MiB";
const EMBEDDING =
  "[   2/  38] token_embd.weight                    - [   128,   1024,      1,      1], type =    f16, converting to q8_0 .. size =     0.25 MiB ->     0.13 MiB";
const WARNING =
  "warning: blk.0.ffn_up.weight                  - ncols    128 not divisible by 256 (required for type    q4_K) -> falling back to    q5_0";

function outputOf(...texts: readonly string[]): QuantizerOutput {
  const output = new QuantizerOutput();
  for (const text of texts) output.push(text);
  return output;
}

t.test("what its lines say", (t) => {
  const rows: readonly (readonly [text: string, values: number])[] = [
    [`${NORM}\n`, 128],
    [`${EMBEDDING}\n`, 128 * 1024],
    [EMBEDDING, 0],
    [`${WARNING}\n${NORM}\n${EMBEDDING}\n${NORM}`, 128 + 128 * 1024],
    ["[1120/1120] blk.9.x - [ 32768, 131072,      1,      1], type = bf16, \n", 2 ** 32],
    // A file's own name for a tensor.
    ["[ 1/ 2] x - [ 7], type = f16,  - [  2,  3], type =  f16, size\n", 6],
    ["[ 1/ 2] x - [ ,, ], type = f16\n", 0],
    ["[ 1/ 2] x - [ 1 2, 3], type = f16\n", 0],
    [`[ 1/ 2] x - [${"9".repeat(400)}], type = f16\n`, 0],
    ["", 0],
  ];
  for (const [text, values] of rows) t.equal(outputOf(text).valuesDone, values, text);
  t.end();
});

t.test("why it gave up", (t) => {
  const rows: readonly (readonly [text: string, reason: string | undefined])[] = [
    [
      "llama_model_quantize: failed to quantize: unknown architecture: 'x'\n",
      "unknown architecture: 'x'",
    ],
    ["llama_model_quantize: failed to quantize: a\u001b[31mb\n", "a[31mb"],
    [`failed to quantize: ${"x".repeat(1_000)}\n`, "x".repeat(300)],
    [`${NORM}\n`, undefined],
  ];
  for (const [text, reason] of rows) t.equal(outputOf(text).reason, reason);
  t.end();
});

t.test("wherever it is cut, it says the same, and whatever it is, little is kept", (t) => {
  const line = fc.oneof(
    fc.constantFrom(NORM, EMBEDDING, WARNING, "failed to quantize: no"),
    fc.string({ unit: "binary" }),
  );
  fc.assert(
    fc.property(
      fc.array(line),
      fc.infiniteStream(fc.integer({ min: 1, max: 40 })),
      (all, sizes) => {
        const text = all.map((one) => `${one}\n`).join("");
        const pieces: string[] = [];
        for (let start = 0; start < text.length; ) {
          const { value: size = 1 } = sizes.next();
          pieces.push(text.slice(start, start + size));
          start += size;
        }
        const whole = outputOf(text);
        const cut = outputOf(...pieces);
        return (
          cut.valuesDone === whole.valuesDone &&
          cut.reason === whole.reason &&
          cut.tail === whole.tail &&
          cut.tail.length <= 4_000
        );
      },
    ),
  );
  t.pass("for every text");
  t.end();
});
