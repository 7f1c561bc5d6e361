import fc from "fast-check";
import t from "tap";
import { digestOf } from "../../test/fixtures/fake-cluster.ts";
import { INFERENCE_ERRORS, InferenceError } from "../core/errors.ts";
import type { GenerateEvent, GenerateRequest } from "../core/inference.ts";
import {
  decodeReply,
  decodeRequest,
  decodeVector,
  encodeReply,
  encodeRequest,
  encodeVector,
  errorReply,
} from "./wire.ts";

const BROKEN = { name: "InferenceError", code: "STREAM_BROKEN" };
const count = fc.nat(2 ** 31 - 1);
const ms = fc.double({ min: 0, max: 1e9, noNaN: true });
const text = fc.string({ unit: "grapheme" });
const bytes = fc.array(fc.nat(255), { maxLength: 8 });
const tokenLogprob = fc.record({
  token: text,
  logprob: fc.float({ noNaN: true, noDefaultInfinity: true }),
  bytes,
});
const logprob = fc.oneof(
  tokenLogprob,
  fc.record({
    token: text,
    logprob: fc.float({ noNaN: true, noDefaultInfinity: true }),
    bytes,
    top: fc.array(tokenLogprob, { maxLength: 3 }),
  }),
);
const event: fc.Arbitrary<GenerateEvent> = fc.oneof(
  fc.record({ type: fc.constant("queued" as const), position: count }),
  fc.record({
    type: fc.constant("loading" as const),
    fraction: fc.double({ min: 0, max: 1, noNaN: true }),
  }),
  fc.record({ type: fc.constant("rendered" as const), prompt: text }),
  fc.record({
    type: fc.constant("started" as const),
    promptTokens: count,
    cachedTokens: count,
    loadMs: ms,
  }),
  fc.record({
    type: fc.constant("started" as const),
    promptTokens: count,
    cachedTokens: count,
    loadMs: ms,
    output: fc.record(
      {
        calls: text,
        thinking: fc.record({ open: text, close: text }),
        beginsThinking: fc.boolean(),
      },
      { requiredKeys: [] },
    ),
  }),
  fc.record({ type: fc.constant("text" as const), text, tokens: count }),
  fc.record({
    type: fc.constant("text" as const),
    text,
    tokens: count,
    logprobs: fc.array(logprob, { minLength: 1, maxLength: 3 }),
  }),
  fc.record(
    {
      ...{
        type: fc.constant("end" as const),
        reason: fc.constantFrom("stop" as const, "length" as const),
      },
      ...{ promptTokens: count, tokens: count, promptMs: ms, outputMs: ms },
      context: fc.array(count, { maxLength: 5 }),
    },
    { requiredKeys: ["type", "reason", "promptTokens", "tokens", "promptMs", "outputMs"] },
  ),
);

function throughTheWire(events: readonly GenerateEvent[]): readonly GenerateEvent[] {
  const reply = decodeReply(encodeReply({ reply: "events", events }));
  if (reply.reply !== "events") throw new Error("another reply came out");
  return reply.events;
}

t.test("events come out as they went in", (t) => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 8 }), (events) => {
      t.strictSame(throughTheWire(events), JSON.parse(JSON.stringify(events)));
    }),
    { numRuns: 300 },
  );
  t.end();
});

t.test("errors come out with their code, words and time to try again", (t) => {
  for (const code of Object.keys(INFERENCE_ERRORS) as (keyof typeof INFERENCE_ERRORS)[]) {
    const sent = new InferenceError(code, `why ${code}`, {
      details: { retryAfterMs: 1_500, secret: "x" },
    });
    t.throws(() => decodeReply(encodeReply(errorReply(sent))), {
      ...{ code, message: `why ${code}`, details: { retryAfterMs: 1_500 } },
    });
  }
  t.throws(() => decodeReply(encodeReply(errorReply(new TypeError("a bug")))), {
    ...{ code: "RUNNER_DIED", message: "a bug" },
  });
  const unknown = { reply: "error", code: "FROM_THE_FUTURE", message: "m" } as const;
  t.throws(() => decodeReply(encodeReply(unknown)), BROKEN);
  t.end();
});

t.test("garbage is a broken stream, never anything worse", (t) => {
  const tried = (action: () => unknown): void => {
    try {
      action();
    } catch (error) {
      t.match(error, { name: "InferenceError", code: /^(STREAM_BROKEN|UNSUPPORTED)$/ });
    }
  };
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (garbage) => {
      tried(() => decodeRequest(garbage));
      tried(() => decodeReply(garbage));
    }),
    { numRuns: 500 },
  );
  const whole = encodeReply({
    reply: "events",
    events: [{ type: "text", text: "hello", tokens: 1 }],
  });
  for (let length = 0; length < whole.length; length++) {
    tried(() => decodeReply(whole.subarray(0, length)));
  }
  const text = { type: "text", text: "hello", tokens: 1 };
  for (const events of [
    ...[{}, [{}], [null], "text", 1, [{ ...text, tokens: undefined }], [{ ...text, text: 1 }]],
    ...[[{ ...text, tokens: 0.5 }], [{ type: "from the future" }], undefined],
  ]) {
    t.throws(() => decodeReply(json({ reply: "events", events })), BROKEN, JSON.stringify(events));
  }
  t.throws(() => decodeReply(json({ reply: "embeddings", vectors: ["?"] })), BROKEN);
  t.throws(() => decodeReply(json(null)), BROKEN);
  t.end();
});

function json(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

t.test("a newer version's further fields in a reply are left aside", (t) => {
  const events = [{ type: "text", text: "hello", tokens: 1, more: 1 }];
  t.match(decodeReply(json({ reply: "events", events, more: 1 })), {
    reply: "events",
    events: [{ type: "text", text: "hello", tokens: 1 }],
  });
  t.end();
});

t.test("vectors come out as 32-bit floats", (t) => {
  const vector = [0, 1, -0.1, 1e-30, 3.4e38];
  t.same(decodeVector(encodeVector(vector)), [...Float32Array.from(vector)]);
  t.same(decodeVector(encodeVector([])), []);
  t.throws(() => decodeVector("AAAA"), BROKEN);
  t.end();
});

const REQUEST: GenerateRequest = {
  requestId: "r-1",
  model: digestOf("m"),
  input: {
    kind: "messages",
    messages: [{ role: "user", content: "hi", images: ["aGk="] }],
    tools: [{ a: [1] }],
    think: "low",
    context: [1, 2],
  },
  runner: { numCtx: 2_048, useMmap: false },
  sampling: { temperature: 0.5, seed: -1 },
  stop: ["x"],
  format: { type: "object", properties: {} },
  maxTokens: -1,
  keepAliveMs: 0,
  truncate: false,
  shift: true,
  logprobs: { top: 3 },
  renderOnly: false,
  returnContext: true,
  resume: { text: "so far", tokens: 2 },
};

t.test("requests come out as they went in", (t) => {
  const plain: GenerateRequest = {
    ...{ requestId: "r-2", model: digestOf("m"), runner: {}, sampling: {} },
    input: { kind: "prompt", prompt: "p", suffix: "s" },
  };
  const infill: GenerateRequest = {
    ...plain,
    input: { ...plain.input, template: "{{ .Suffix }}", context: [1], images: ["aGk="] },
  } as GenerateRequest;
  for (const request of [
    REQUEST,
    plain,
    infill,
    { ...plain, keepAliveMs: Number.POSITIVE_INFINITY },
  ]) {
    const { requestId, model, ...body } = request;
    const got = decodeRequest(encodeRequest({ call: "generate", ...request }));
    t.strictSame(got, { call: "generate", requestId, model, request: body });
  }
  const common = { requestId: "r-3", model: digestOf("m") };
  for (const request of [
    { call: "embed", ...common, inputs: ["a", ""], runner: { numCtx: 1 }, truncate: false },
    { call: "embed", ...common, inputs: [], runner: {}, keepAliveMs: Number.POSITIVE_INFINITY },
    { call: "load", ...common, runner: {}, keepAliveMs: 0 },
    { call: "unload", ...common },
    { call: "show", ...common, verbose: true },
  ] as const) {
    t.strictSame(decodeRequest(encodeRequest(request)), request);
  }
  t.end();
});

t.test("a request with what this version does not know, or of the wrong type, is refused", (t) => {
  const body = JSON.parse(
    Buffer.from(encodeRequest({ call: "generate", ...REQUEST })).toString(),
  ).request;
  const rows: readonly object[] = [
    { ...body, surprise: 1 },
    { ...body, input: { kind: "other" } },
    { ...body, sampling: { temperature: "hot" } },
    { ...body, runner: { numCtx: 1.5 } },
    { ...body, resume: { text: 1, tokens: 1 } },
    { ...body, stop: "x" },
  ];
  const common = { requestId: "r", model: digestOf("m") };
  const calls: readonly object[] = [
    ...rows.map((request) => ({ ...common, call: "generate", request })),
    { ...common, call: "from the future" },
    { ...common, call: "show" },
    { ...common, call: "unload", force: true },
    {},
  ];
  for (const call of calls) {
    t.throws(
      () => decodeRequest(json(call)),
      { code: "UNSUPPORTED" },
      JSON.stringify(call).slice(0, 60),
    );
  }
  t.end();
});
