import { once } from "node:events";
import t from "tap";
import {
  eventsOf,
  type FakeCluster,
  fakeCluster,
  ROUTE,
  recordOf,
} from "../../../test/fixtures/fake-cluster.ts";
import { sseEvents } from "../../../test/fixtures/http.ts";
import { InferenceError } from "../../core/errors.ts";
import type { RoutedEvent } from "../../core/inference.ts";
import { createApp } from "../app.ts";

const RECORDS = [
  recordOf("registry.ollama.ai/library/llama:latest"),
  recordOf("registry.ollama.ai/library/tooly:latest", ["completion", "tools"]),
];
const MESSAGES = [{ role: "user", content: "hi" }];
const ASK = { model: "llama", messages: MESSAGES };
const CREATED = Date.UTC(2026, 0, 1) / 1_000;
const HERMES = { calls: "hermes", thinking: { open: "<think>", close: "</think>" } };
const TOOL = { type: "function", function: { name: "f" } };

const end = (reason: "stop" | "length", tokens: number): RoutedEvent => ({
  ...{ type: "end", reason, promptTokens: 5, tokens, promptMs: 1, outputMs: 1 },
});

function post(cluster: FakeCluster, body: unknown): Promise<Response> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return Promise.resolve(
    createApp(cluster, () => false).request("/v1/chat/completions", { method: "POST", body: text }),
  );
}

const cluster = (): FakeCluster => fakeCluster({ records: RECORDS });

async function chunksOf(response: Response): Promise<readonly unknown[]> {
  const events = sseEvents(await response.text());
  t.equal(events.at(-1)?.data, "[DONE]");
  return events.slice(0, -1).map(({ data }) => JSON.parse(data) as unknown);
}

t.test("tools: shown to the model, and called by it", async (t) => {
  const ask = { ...ASK, model: "tooly", tools: [TOOL] };
  const call = '{"name":"f","arguments":{"a":1}}';
  const saying = (text: string): FakeCluster => {
    const fake = cluster();
    fake.inference.script = () =>
      eventsOf([
        { ...{ type: "started", promptTokens: 5, cachedTokens: 0, loadMs: 0 }, output: HERMES },
        { type: "text", text, tokens: 3 },
        end("stop", 3),
      ]);
    return fake;
  };
  const free = saying(`ok <tool_call>${call}</tool_call>`);
  const written = { name: "f", arguments: '{"a":1}' };
  t.match(await (await post(free, ask)).json(), {
    choices: [
      {
        message: { content: "ok", tool_calls: [{ id: /^call_/, function: written }] },
        finish_reason: "tool_calls",
      },
    ],
  });
  t.strictSame(free.inference.generated[0]?.input, {
    ...{ kind: "messages", messages: MESSAGES, tools: [TOOL] },
  });
  t.equal(free.inference.generated[0]?.format, undefined);
  for (const choice of ["required", { type: "function", function: { name: "f" } }]) {
    const forced = saying(call);
    const chunks = await chunksOf(
      await post(forced, { ...ask, stream: true, tool_choice: choice }),
    );
    t.match(chunks, [
      { choices: [{ delta: { role: "assistant", tool_calls: [{ function: written }] } }] },
      { choices: [{ delta: {}, finish_reason: "tool_calls" }] },
    ]);
    t.match(forced.inference.generated[0]?.format, {
      oneOf: [{ properties: { name: { const: "f" } } }],
    });
    const thoughtful = saying(`<think>hm</think>${call}`);
    t.match(await (await post(thoughtful, { ...ask, tool_choice: choice })).json(), {
      choices: [{ message: { reasoning: "hm", tool_calls: [{ function: written }] } }],
    });
  }
});

t.test("a whole answer", async (t) => {
  const response = await post(cluster(), ASK);
  t.equal(response.headers.get("content-type"), "application/json");
  t.equal(response.headers.get("x-ollamamax-node"), ROUTE.node);
  t.equal(response.headers.get("x-ollamamax-attempts"), "1");
  const { id, ...body } = (await response.json()) as { readonly id: string };
  t.match(id, /^chatcmpl-[0-9a-f]{24}$/);
  t.strictSame(body, {
    object: "chat.completion",
    created: CREATED,
    model: "llama",
    system_fingerprint: "fp_ollama",
    choices: [
      { index: 0, message: { role: "assistant", content: "hello" }, finish_reason: "stop" },
    ],
    usage: { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 },
  });
});

t.test("chunks", async (t) => {
  const response = await post(cluster(), {
    ...ASK,
    stream: true,
    stream_options: { include_usage: true },
  });
  t.equal(response.headers.get("content-type"), "text/event-stream");
  t.equal(response.headers.get("x-ollamamax-node"), ROUTE.node);
  const chunks = await chunksOf(response);
  const ids = new Set(chunks.map((chunk) => (chunk as { id: string }).id));
  t.equal(ids.size, 1);
  const head = {
    id: [...ids][0],
    object: "chat.completion.chunk",
    created: CREATED,
    model: "llama",
    system_fingerprint: "fp_ollama",
  };
  const choice = (delta: object, reason: string | null) => ({
    ...head,
    choices: [{ index: 0, delta, finish_reason: reason }],
  });
  t.strictSame(chunks, [
    choice({ role: "assistant", content: "hel" }, null),
    choice({ content: "lo" }, null),
    choice({}, "stop"),
    {
      ...head,
      choices: [],
      usage: { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 },
    },
  ]);
  const without = await chunksOf(await post(cluster(), { ...ASK, stream: true }));
  t.equal(without.length, 3, "no usage unless it is asked for");
});

t.test("an answer without a word still has a role", async (t) => {
  const fake = cluster();
  fake.inference.script = () => eventsOf([end("length", 0)]);
  t.match(await chunksOf(await post(fake, { ...ASK, stream: true })), [
    { choices: [{ delta: { role: "assistant", content: "" }, finish_reason: null }] },
    { choices: [{ delta: {}, finish_reason: "length" }] },
  ]);
});

t.test(
  "several answers: seeds differ, each has its role and its end, the prompt counts once",
  async (t) => {
    const script = (fake: FakeCluster): FakeCluster => {
      fake.inference.script = ({ sampling }) =>
        eventsOf([
          { type: "routed", ...ROUTE },
          { type: "text", text: `${sampling.seed}`, tokens: 1 },
          end("stop", 3),
        ]);
      return fake;
    };
    const whole = script(cluster());
    const body = await (await post(whole, { ...ASK, n: 3, seed: 2 ** 31 - 1 })).json();
    t.match(body, {
      choices: [
        { index: 0, message: { content: `${2 ** 31 - 1}` } },
        { index: 1, message: { content: `${2 ** 31}` } },
        { index: 2, message: { content: `${2 ** 31 + 1}` } },
      ],
      usage: { prompt_tokens: 5, completion_tokens: 9, total_tokens: 14 },
    });
    const [first, ...others] = whole.inference.generated.map(({ requestId }) => requestId);
    t.strictSame(others, [`${first}.1`, `${first}.2`]);

    const streamed = script(cluster());
    const chunks = (await chunksOf(
      await post(streamed, {
        ...{ ...ASK, n: 20, stream: true, stream_options: { include_usage: true } },
      }),
    )) as {
      choices: { index: number; delta: { role?: string }; finish_reason: string | null }[];
    }[];
    const seeds = new Set(streamed.inference.generated.map(({ sampling }) => sampling.seed));
    t.equal(seeds.size, 20, "also without a seed");
    for (let index = 0; index < 20; index++) {
      const own = chunks
        .flatMap(({ choices }) => choices)
        .filter((choice) => choice.index === index);
      t.strictSame(
        own.map(({ delta, finish_reason }) => [delta.role, finish_reason]),
        [
          ["assistant", null],
          [undefined, "stop"],
        ],
        `choice ${index}`,
      );
    }
    t.match(chunks.at(-1), { usage: { prompt_tokens: 5, completion_tokens: 60 } });
  },
);

t.test("logprobs", async (t) => {
  const top = [{ token: "h", logprob: -0.5, bytes: [104] }];
  const fake = cluster();
  fake.inference.script = () =>
    eventsOf([
      {
        type: "text",
        text: "hi",
        tokens: 2,
        logprobs: [
          { token: "h", logprob: -0.5, bytes: [104], top },
          { token: "i", logprob: -1, bytes: [105] },
        ],
      },
      end("stop", 2),
    ]);
  const content = [
    { token: "h", logprob: -0.5, bytes: [104], top_logprobs: top },
    { token: "i", logprob: -1, bytes: [105], top_logprobs: [] },
  ];
  const ask = { ...ASK, logprobs: true, top_logprobs: 1 };
  t.match(await (await post(fake, ask)).json(), { choices: [{ logprobs: { content } }] });
  t.match((await chunksOf(await post(fake, { ...ask, stream: true })))[0], {
    choices: [{ delta: { content: "hi" }, logprobs: { content } }],
  });
});

t.test("failures before the first word have their status, later ones an event", async (t) => {
  const busy = new InferenceError("BUSY", "server busy", { details: { retryAfterMs: 1_500 } });
  const badSchema = new InferenceError("INVALID_OPTION", "invalid format: {}");
  const rows = [
    [busy, 503, "api_error", "server busy"],
    [badSchema, 400, "invalid_request_error", "invalid format: {}"],
    [new Error("inner"), 500, "api_error", "internal server error"],
  ] as const;
  for (const [failure, status, type, message] of rows) {
    for (const stream of [false, true]) {
      const fake = cluster();
      fake.inference.failure = failure;
      const response = await post(fake, { ...ASK, stream, n: 2 });
      t.equal(response.status, status, message);
      t.equal(response.headers.get("content-type"), "application/json");
      t.equal(response.headers.get("retry-after"), status === 503 ? "2" : null);
      t.match(await response.json(), { error: { message, type } });
    }
  }
  const fake = cluster();
  fake.inference.script = async function* () {
    yield { type: "text", text: "hel", tokens: 1 };
    throw new InferenceError("RUNNER_DIED", "all replicas are gone");
  };
  const text = await (await post(fake, { ...ASK, stream: true })).text();
  const events = sseEvents(text).map(({ data }) => JSON.parse(data) as unknown);
  t.match(events[0], { choices: [{ delta: { content: "hel" } }] });
  t.strictSame(events.slice(1), [
    {
      error: {
        ...{ message: "all replicas are gone", type: "api_error", param: null, code: null },
      },
    },
  ]);
  t.match(fake.log.lines, [{ level: "warn", problem: "all replicas are gone" }]);
  fake.inference.script = () => eventsOf([{ type: "text", text: "hel", tokens: 1 }]);
  const broken = await (await post(fake, { ...ASK, stream: true })).text();
  t.match(broken, /the answer broke off before its end/, "no [DONE] of an answer without an end");
  t.notMatch(broken, /\[DONE\]/);
});

t.test("one of several answers that fails ends the others", async (t) => {
  const fake = cluster();
  let left = 0;
  fake.inference.script = async function* ({ requestId }, signal) {
    if (requestId.endsWith(".1")) throw new InferenceError("RUNNER_DIED", "gone");
    try {
      yield { type: "routed", ...ROUTE };
      if (!signal.aborted) await once(signal, "abort");
      throw signal.reason;
    } finally {
      left++;
    }
  };
  const response = await post(fake, { ...ASK, n: 3 });
  t.equal(response.status, 500);
  t.equal(left, 2);
});

t.test("the rendered prompt", async (t) => {
  const fake = cluster();
  fake.inference.script = () => eventsOf([{ type: "rendered", prompt: "<s>hi" }]);
  const response = await post(fake, { ...ASK, stream: true, _debug_render_only: true });
  t.match(await response.json(), {
    choices: [{ message: { content: "" } }],
    _debug_info: { rendered_template: "<s>hi" },
  });
});

t.test("a draining node says so in the envelope", async (t) => {
  const app = createApp(cluster(), () => true);
  const response = await app.request("/v1/chat/completions", { method: "POST", body: "{}" });
  t.equal(response.status, 503);
  t.equal(response.headers.get("retry-after"), "5");
  t.match(await response.json(), { error: { type: "api_error", message: /shutting down/ } });
});
