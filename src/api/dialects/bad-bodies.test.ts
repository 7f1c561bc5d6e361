import fc from "fast-check";
import t from "tap";
import { fakeCluster, recordOf } from "../../../test/fixtures/fake-cluster.ts";
import { MESSAGES_SHAPE } from "../anthropic/messages-request.ts";
import { createApp } from "../app.ts";
import { CHAT_SHAPE } from "../openai/chat-request.ts";
import { COMPLETION_SHAPE } from "../openai/completion-request.ts";
import { RESPONSES_SHAPE } from "../openai/responses-request.ts";

const CLUSTER = fakeCluster({
  records: [recordOf("registry.ollama.ai/library/llama:latest", ["completion", "embedding"])],
});
const app = createApp(CLUSTER, () => false);

const GOOD: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  "/v1/chat/completions": {
    model: "llama",
    messages: [
      { role: "user", content: [{ type: "text", text: "hi" }] },
      { role: "assistant", tool_calls: [{ id: "1", function: { name: "f", arguments: "{}" } }] },
      { role: "tool", content: "2", tool_call_id: "1" },
    ],
    stop: ["a"],
    temperature: 0.5,
    response_format: { type: "json_schema", json_schema: { schema: { type: "object" } } },
  },
  "/v1/completions": { model: "llama", prompt: ["hi"], n: 2, logprobs: 3 },
  "/v1/responses": {
    model: "llama",
    input: [
      { role: "user", content: [{ type: "input_text", text: "hi" }] },
      { type: "function_call", call_id: "1", name: "f", arguments: "{}" },
      { type: "function_call_output", call_id: "1", output: "2" },
    ],
    reasoning: { effort: "none" },
  },
  "/v1/messages": {
    model: "llama",
    max_tokens: 5,
    system: [{ type: "text", text: "be short" }],
    messages: [
      { role: "assistant", content: [{ type: "tool_use", id: "1", name: "f", input: {} }] },
      { role: "user", content: [{ type: "tool_result", tool_use_id: "1", content: "2" }] },
    ],
    stop_sequences: ["a"],
    thinking: { type: "enabled" },
  },
  "/v1/embeddings": { model: "llama", input: ["hi"], encoding_format: "base64", dimensions: 2 },
};
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  "/v1/chat/completions": Object.keys(CHAT_SHAPE.fields),
  "/v1/completions": Object.keys(COMPLETION_SHAPE.fields),
  "/v1/responses": Object.keys(RESPONSES_SHAPE.fields),
  "/v1/messages": Object.keys(MESSAGES_SHAPE.fields),
  "/v1/embeddings": ["model", "input", "encoding_format", "dimensions"],
};

const ENVELOPES: Readonly<Record<string, string>> = {
  "/v1/messages": "type,message",
};

/** An answer, or a refusal in the envelope: never a crash. */
async function isHandled(path: string, body: string): Promise<boolean> {
  const response = await app.request(path, { method: "POST", body });
  const text = await response.text();
  if (response.status === 200) return true;
  const { error } = JSON.parse(text) as { error: Readonly<Record<string, unknown>> };
  return (
    [400, 404].includes(response.status) &&
    typeof error["message"] === "string" &&
    error["message"] !== "" &&
    ["invalid_request_error", "not_found_error"].includes(String(error["type"])) &&
    Object.keys(error).join() === (ENVELOPES[path] ?? "message,type,param,code")
  );
}

const value = fc.oneof(
  fc.jsonValue(),
  fc.double().map((number) => (Number.isFinite(number) ? number : 0)),
  fc.constantFrom(-1, -1e308, 1e308, 2 ** 53, -(2 ** 53), 0.1, "", [], {}, [[]], [null], [{}]),
);

t.test("no body crashes", async (t) => {
  for (const [path, good] of Object.entries(GOOD)) {
    t.ok(await isHandled(path, JSON.stringify(good)), path);
    const response = await app.request(path, { method: "POST", body: JSON.stringify(good) });
    t.equal(response.status, 200, `${path} takes the good one`);
    const nothings = { messages: [null], input: [null], tools: [null] };
    t.ok(await isHandled(path, JSON.stringify({ ...good, ...nothings })), `${path} lists of null`);
    t.ok(await isHandled(path, JSON.stringify({ ...good, tools: [null] })), `${path} no tool`);
    const field = fc.constantFrom(...(FIELDS[path] ?? []));
    await fc.assert(
      fc.asyncProperty(fc.dictionary(field, value), (given) =>
        isHandled(path, JSON.stringify({ ...good, ...given })),
      ),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(value, { maxLength: 4 }), (parts) =>
        isHandled(path, JSON.stringify({ ...good, messages: parts, prompt: parts, input: parts })),
      ),
    );
    await fc.assert(fc.asyncProperty(fc.string(), (body) => isHandled(path, body)));
  }
});

t.test("no beginning of a body is taken for one", async (t) => {
  for (const [path, good] of Object.entries(GOOD)) {
    const body = JSON.stringify(good);
    for (let length = 0; length < body.length; length++) {
      const response = await app.request(path, { method: "POST", body: body.slice(0, length) });
      t.equal(response.status, 400, `${path} ${length}`);
      const message = length === 0 ? "EOF" : "unexpected EOF";
      t.match(await response.json(), { error: { message, type: "invalid_request_error" } });
    }
  }
});

t.test("numbers beyond all bounds, and values deep inside each other", async (t) => {
  const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
  for (const [path, fields] of Object.entries(FIELDS)) {
    for (const field of fields) {
      const rest = JSON.stringify({ ...GOOD[path], [field]: undefined }).slice(1);
      for (const value of ["1e999", "-1e999", "1e308", "-5", "0", "9007199254740993", deep]) {
        const body = `{"${field}":${value},${rest}`;
        t.ok(await isHandled(path, body), `${path} ${field} ${value.slice(0, 20)}`);
      }
    }
  }
});
