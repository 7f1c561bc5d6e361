import { writeFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import t from "tap";
import { safetensorsFile } from "../../../test/fixtures/safetensors-file.ts";
import { tempFolder } from "../../../test/fixtures/temp-folder.ts";
import { ManagementError } from "../../core/management.ts";
import { readSafetensors } from "./safetensors.ts";

const o = { signal: new AbortController().signal };
const WEIGHT = { name: "w", dtype: "F16", shape: [2, 3], bytes: Buffer.alloc(12) };

function headed(header: unknown, dataBytes = 0): Buffer {
  const text = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, Buffer.alloc(dataBytes)]);
}

t.test("what is in a file, and where", async (t) => {
  const file = path.join(tempFolder(t), "x");
  const vector = { name: "v", dtype: "BF16", shape: [4], bytes: Buffer.alloc(8) };
  const scalar = { name: "s", dtype: "F32", shape: [], bytes: Buffer.alloc(4) };
  const bytes = safetensorsFile([WEIGHT, vector, scalar]);
  writeFileSync(file, bytes);
  const end = bytes.length;
  t.strictSame(await readSafetensors(file, "x", o), [
    { name: "w", type: "F16", shape: [2, 3], file, data: { start: end - 24, end: end - 12 } },
    { name: "v", type: "BF16", shape: [4], file, data: { start: end - 12, end: end - 4 } },
    { name: "s", type: "F32", shape: [], file, data: { start: end - 4, end } },
  ]);
  writeFileSync(file, safetensorsFile([]));
  t.same(await readSafetensors(file, "x", o), []);
});

t.test("what is wrong with a file", async (t) => {
  const file = path.join(tempFolder(t), "x");
  const entry = { dtype: "F16", shape: [1], data_offsets: [0, 2] };
  const rows: readonly (readonly [bytes: Uint8Array, code: string, text: RegExp])[] = [
    [Buffer.alloc(0), "MALFORMED", /no safetensors file/],
    [Buffer.alloc(7), "MALFORMED", /no safetensors file/],
    [Buffer.from("GGUF\x03\0\0\0\x01\0\0\0"), "MALFORMED", /no safetensors file/],
    [headed("{}").subarray(0, 9), "MALFORMED", /cut off inside its header/],
    [headed("not json"), "MALFORMED", /holds no JSON object/],
    [headed([]), "MALFORMED", /holds no JSON object/],
    [headed({ w: 5 }), "MALFORMED", /describes its tensor w wrongly/],
    [headed({ w: { ...entry, shape: [-1] } }, 2), "MALFORMED", /wrongly/],
    [headed({ w: { ...entry, shape: [2 ** 40, 2 ** 40] } }, 2), "MALFORMED", /wrongly/],
    [headed({ w: { ...entry, shape: [1, 1, 1, 1, 1] } }, 2), "MALFORMED", /wrongly/],
    [headed({ w: { ...entry, data_offsets: [2, 0] } }, 2), "MALFORMED", /wrongly/],
    [headed({ w: { ...entry, data_offsets: [0, 4] } }, 4), "MALFORMED", /wrongly/],
    [headed({ w: entry }, 1), "MALFORMED", /was cut off: its tensor w ends at byte/],
    [headed({ w: { ...entry, dtype: "F8_E4M3" } }, 2), "NOT_POSSIBLE", /is F8_E4M3 and not F32/],
    [headed({ w: { ...entry, dtype: "toString" } }, 2), "NOT_POSSIBLE", /is toString and not/],
  ];
  for (const [bytes, code, message] of rows) {
    writeFileSync(file, bytes);
    await t.rejects(readSafetensors(file, "x", o), { code, message }, String(message));
  }
});

t.test("no bytes make it fail otherwise, or name what the file does not hold", async (t) => {
  const file = path.join(tempFolder(t), "x");
  const whole = safetensorsFile([WEIGHT, { ...WEIGHT, name: "other" }]);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 4 }),
      fc.nat(whole.length),
      async (changes, length) => {
        const bytes = Buffer.from(whole.subarray(0, length));
        for (const [at, value] of changes) if (at < length) bytes[at] = value;
        writeFileSync(file, bytes);
        try {
          for (const { data } of await readSafetensors(file, "x", o)) {
            if (data.start < 8 || data.end > length) throw new Error("it lies outside the file");
          }
        } catch (error) {
          if (!(error instanceof ManagementError)) throw error;
        }
      },
    ),
    { numRuns: 300 },
  );
  t.end();
});
