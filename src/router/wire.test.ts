import fc from "fast-check";
import t from "tap";
import { digestOf } from "../../test/fixtures/fake-cluster.ts";
import { INFERENCE_ERRORS, InferenceError } from "../core/errors.ts";
import type { GenerateEvent, GenerateRequest } from "../core/inference.ts";
import {
  decodeEvents,
  decodeReply,
  decodeRequest,
  encodeEvents,
  encodeReply,
  encodeRequest,
  errorReply,
  json,
  parseBody,
} from "./wire.ts";
import { encodeGenerateBody, generateSchema } from "./wire-schema.ts";

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
  const reply = decodeReply(encodeEvents(events));
  if (reply.case !== "eventsJson") throw new Error("another reply came out");
  return decodeEvents(reply.value);
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
  const unknown = { code: "FROM_THE_FUTURE", message: "m" };
  t.throws(() => decodeReply(encodeReply({ reply: { case: "error", value: unknown } })), BROKEN);
  t.end();
});

t.test("garbage is a broken stream, never anything worse", (t) => {
  const tried = (action: () => unknown): void => {
    try {
      action();
    } catch (error) {
      t.match(error, BROKEN);
    }
  };
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (garbage) => {
      tried(() => decodeRequest(garbage));
      tried(() => decodeReply(garbage));
      tried(() => parseBody(generateSchema, garbage));
    }),
    { numRuns: 500 },
  );
  const whole = encodeEvents([{ type: "text", text: "hello", tokens: 1 }]);
  for (let length = 1; length < whole.length; length++) {
    tried(() => decodeReply(whole.subarray(0, length)));
  }
  for (const strange of [
    ...[
      {},
      [{}],
      [null],
      [{ type: "text", text: "hello" }],
      [{ type: "text", text: 1, tokens: 1 }],
    ],
    ...[[{ type: "queued", position: 1, more: 1 }], [{ type: "from the future" }], "text", 1],
  ]) {
    t.throws(() => decodeEvents(json(strange)), BROKEN, JSON.stringify(strange));
  }
  t.throws(() => decodeEvents(Buffer.from("[{")), BROKEN);
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
  for (const request of [REQUEST, plain, { ...plain, keepAliveMs: Number.POSITIVE_INFINITY }]) {
    const { requestId, model, ...body } = request;
    const requestJson = encodeGenerateBody(request);
    const sent = encodeRequest({
      requestId,
      model,
      call: { case: "generate", value: { requestJson } },
    });
    const got = decodeRequest(sent);
    t.match(got, { requestId, model, call: { case: "generate" } });
    if (got.call.case !== "generate") return t.fail("another call came out");
    t.strictSame(parseBody(generateSchema, got.call.value.requestJson), body);
  }
  t.end();
});

t.test("a body with what nobody knows, or of the wrong type, is refused", (t) => {
  const body = JSON.parse(Buffer.from(encodeGenerateBody(REQUEST)).toString());
  const rows: readonly object[] = [
    { ...body, surprise: 1 },
    { ...body, input: { kind: "other" } },
    { ...body, sampling: { temperature: "hot" } },
    { ...body, runner: { numCtx: 1.5 } },
    { ...body, resume: { text: 1, tokens: 1 } },
    { ...body, stop: "x" },
  ];
  for (const row of rows) {
    t.throws(
      () => parseBody(generateSchema, Buffer.from(JSON.stringify(row))),
      BROKEN,
      JSON.stringify(row).slice(0, 40),
    );
  }
  t.end();
});
