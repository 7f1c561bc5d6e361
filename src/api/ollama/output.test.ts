import t from "tap";
import {
  eventsOf,
  type FakeCluster,
  fakeCluster,
  ROUTE,
  recordOf,
} from "../../../test/fixtures/fake-cluster.ts";
import { ndjson } from "../../../test/fixtures/http.ts";
import type { RoutedEvent } from "../../core/inference.ts";
import type { OutputFormat } from "../../core/output-format.ts";
import { createApp } from "../app.ts";

const AT = "2026-01-01T00:00:00.000Z";
const RECORDS = [
  recordOf("registry.ollama.ai/library/qwen:8b", ["completion", "tools", "thinking"]),
  recordOf("registry.ollama.ai/library/deepseek-r1:latest"),
];
const QWEN: OutputFormat = { calls: "hermes", thinking: { open: "<think>", close: "</think>" } };
const TOOLS = [{ type: "function", function: { name: "get_weather", parameters: {} } }];
const CHAT = { model: "qwen:8b", messages: [{ role: "user", content: "hi" }], tools: TOOLS };
const PIECES = [
  "<th",
  "ink>\nLet me",
  " see.\n</thi",
  "nk>\n\nI look",
  '.\n<tool_call>\n{"name": "get_weather", ',
  '"arguments": {"city": "Oslo"}}\n</tool_call>\n<tool_call>\n{"name": "get_weather", "arguments": {}}',
  "\n</tool_call>",
];
const ID = /^call_[a-z0-9]{8}$/;

function answering(
  output: OutputFormat | undefined,
  pieces: readonly string[],
  withLogprobs = false,
): FakeCluster {
  const cluster = fakeCluster({ records: RECORDS });
  const texts = pieces.map((text): RoutedEvent => {
    const logprobs = [{ token: text, logprob: -1, bytes: [...Buffer.from(text)] }];
    return { type: "text", text, tokens: 1, ...(withLogprobs && { logprobs }) };
  });
  cluster.inference.script = () =>
    eventsOf([
      { type: "routed", ...ROUTE },
      { type: "started", promptTokens: 5, cachedTokens: 0, loadMs: 0, ...(output && { output }) },
      ...texts,
      { type: "end", reason: "stop", promptTokens: 5, tokens: 9, promptMs: 1, outputMs: 1 },
    ]);
  return cluster;
}

async function ask(cluster: FakeCluster, path: string, body: object): Promise<Response> {
  const app = createApp(cluster, () => false);
  return await app.request(path, { method: "POST", body: JSON.stringify(body) });
}

/** What matters here of an answer's object. */
function message(line: unknown): unknown {
  const { message, done } = line as { message: Record<string, unknown>; done: boolean };
  return [message, done];
}

t.test("a chat, streamed: thinking, content and calls as they come", async (t) => {
  const response = await ask(answering(QWEN, PIECES), "/api/chat", CHAT);
  const lines = ndjson(await response.text());
  const role = "assistant";
  const call = (index: number, values: object) => ({
    id: ID,
    function: { index, name: "get_weather", arguments: values },
  });
  t.match(lines.map(message), [
    [{ role, content: "", thinking: "Let me" }, false],
    [{ role, content: "", thinking: " see." }, false],
    [{ role, content: "I look" }, false],
    [{ role, content: "." }, false],
    [{ role, content: "", tool_calls: [call(0, { city: "Oslo" }), call(1, {})] }, false],
    [{ role, content: "" }, true],
  ]);
  t.equal(lines.length, 6);
  t.match(lines.at(-1), { done_reason: "stop", eval_count: 9 });
  t.notMatch(JSON.stringify(lines), "think>");
});

t.test("a chat, whole", async (t) => {
  const response = await ask(answering(QWEN, PIECES), "/api/chat", { ...CHAT, stream: false });
  const body = (await response.json()) as { message: { tool_calls: { id: string }[] } };
  t.match(body, {
    created_at: AT,
    message: {
      role: "assistant",
      content: "I look.",
      thinking: "Let me see.",
      tool_calls: [
        { id: ID, function: { index: 0, name: "get_weather", arguments: { city: "Oslo" } } },
        { id: ID, function: { index: 1, name: "get_weather", arguments: {} } },
      ],
    },
    done: true,
    done_reason: "stop",
  });
  t.same(Object.keys(body.message), ["role", "content", "thinking", "tool_calls"]);
  t.not(body.message.tool_calls[0]?.id, body.message.tool_calls[1]?.id);
});

t.test("without tools a call is content, and without a format everything is", async (t) => {
  const raw = PIECES.join("");
  const rows: readonly (readonly [OutputFormat | undefined, object, string])[] = [
    [QWEN, { tools: [] }, raw.slice(raw.indexOf("I look"))],
    [undefined, {}, raw],
  ];
  for (const [format, extra, content] of rows) {
    const body = { ...CHAT, ...extra, stream: false };
    const response = await ask(answering(format, PIECES), "/api/chat", body);
    const { message } = (await response.json()) as { message: Record<string, unknown> };
    t.equal(message["content"], content);
    t.notOk("tool_calls" in message);
  }
});

t.test("what is still held at the end has a line of its own before the last", async (t) => {
  const cluster = answering(QWEN, ["Hi <tool", '_call>{"name": "get_']);
  const lines = ndjson(await (await ask(cluster, "/api/chat", CHAT)).text());
  const role = "assistant";
  t.strictSame(lines.map(message), [
    [{ role, content: "Hi" }, false],
    [{ role, content: ' <tool_call>{"name": "get_' }, false],
    [{ role, content: "" }, true],
  ]);
});

t.test("log probabilities are those of all tokens, each once", async (t) => {
  for (const stream of [true, false]) {
    const cluster = answering(QWEN, PIECES, true);
    const body = { ...CHAT, logprobs: true, stream };
    const response = await ask(cluster, "/api/chat", body);
    const lines = stream ? ndjson(await response.text()) : [await response.json()];
    const tokens = lines.flatMap((line) => {
      const { logprobs = [] } = line as { logprobs?: { token: string }[] };
      return logprobs.map(({ token }) => token);
    });
    t.strictSame(tokens, PIECES);
  }
});

t.test("generate thinks, too", async (t) => {
  const body = { model: "qwen:8b", prompt: "p" };
  const pieces = ["<think>", "hm", "</think>\n", "4"];
  const lines = ndjson(await (await ask(answering(QWEN, pieces), "/api/generate", body)).text());
  t.match(lines, [
    { response: "", thinking: "hm", done: false },
    { response: "4", done: false },
    { response: "", done: true },
  ]);
  const whole = await ask(answering(QWEN, pieces), "/api/generate", { ...body, stream: false });
  t.match(await whole.json(), { response: "4", thinking: "hm", done: true });
  const harmony = '<|channel|>commentary to=functions.f<|message|>{"a":1}<|call|>';
  const called = await ask(answering({ calls: "harmony" }, [harmony]), "/api/generate", {
    ...body,
    stream: false,
  });
  t.match(await called.json(), {
    response: "",
    tool_calls: [{ id: ID, function: { index: 0, name: "f", arguments: { a: 1 } } }],
  });
});

t.test("an old model that has learnt to think since", async (t) => {
  const body = { model: "deepseek-r1", prompt: "p", think: true };
  const response = await ask(answering(undefined, []), "/api/generate", body);
  t.equal(response.status, 400);
  t.strictSame(await response.json(), {
    error:
      '"deepseek-r1" does not support thinking. Pull the model again to get the latest version with full thinking support',
  });
});
