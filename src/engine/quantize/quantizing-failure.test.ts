import t from "tap";
import { type QuantizerEnd, quantizingFailure } from "./quantizing-failure.ts";

const JOB = {
  inputPath: "/models/blobs/sha256-a",
  outputPath: "/models/blobs/ollamamax-b.partial",
  quantization: "Q8_0",
} as const;
const EXIT = { code: 0, signal: null };
const KILLED = { code: null, signal: "SIGKILL" };

t.test("how a process ended, and what a client is told", (t) => {
  const stopped =
    /^the quantizer has unexpectedly stopped, this may be due to resource limitations/;
  const rows: readonly (readonly [
    heard: QuantizerEnd["heard"],
    reason: string | undefined,
    how: QuantizerEnd["how"],
    code: string | undefined,
    message?: string | RegExp,
  ])[] = [
    [{ type: "done" }, undefined, EXIT, undefined],
    // What counts is the file, and that is whole.
    [{ type: "done" }, undefined, KILLED, undefined],
    [
      { type: "unavailable", problem: "/lib/libllama.so: no such file" },
      undefined,
      EXIT,
      "NOT_POSSIBLE",
      /^this node cannot quantize, its log says why/,
    ],
    [{ type: "failed" }, undefined, EXIT, "QUANTIZATION_FAILED", "the model cannot be quantized"],
    [
      { type: "failed" },
      `failed to load model from ${JOB.inputPath}`,
      EXIT,
      "QUANTIZATION_FAILED",
      "the model cannot be quantized: failed to load model from the model",
    ],
    [
      { type: "failed" },
      `cannot open ${JOB.outputPath}`,
      EXIT,
      "QUANTIZATION_FAILED",
      "the model cannot be quantized: cannot open the new file",
    ],
    [{ type: "begun" }, undefined, KILLED, "QUANTIZATION_FAILED", stopped],
    [undefined, undefined, { code: 134, signal: null }, "QUANTIZATION_FAILED", stopped],
    [undefined, undefined, { problem: "spawn EAGAIN" }, "QUANTIZATION_FAILED", stopped],
  ];
  for (const [heard, reason, how, code, message] of rows) {
    const failure = quantizingFailure({ heard, reason, how }, JOB);
    if (code === undefined) t.equal(failure, undefined);
    else t.match(failure, { code, message }, `${heard?.type} ${JSON.stringify(how)}`);
    t.notMatch(failure?.message ?? "", /\/(models|lib)/, "no path of this machine is told");
  }
  t.end();
});
