import t from "tap";
import { fakeCluster, recordOf } from "../../../test/fixtures/fake-cluster.ts";
import { createApp } from "../app.ts";
import { checkFormatSize, FORMAT_VALUES_MAX } from "./format-size.ts";

const enumOf = (count: number) => ({ enum: Array.from({ length: count }, (_, at) => at) });
const tree = (depth: number): Record<string, unknown> =>
  depth === 0 ? {} : { anyOf: [tree(depth - 1), tree(depth - 1), tree(depth - 1)] };
const MESSAGE = `invalid format: the schema is too large, at most ${FORMAT_VALUES_MAX} values are accepted`;

t.test("how large a schema may be", (t) => {
  for (const format of [undefined, "json", {}, enumOf(FORMAT_VALUES_MAX - 1), tree(7)] as const) {
    t.doesNotThrow(() => checkFormatSize(format));
  }
  for (const format of [enumOf(FORMAT_VALUES_MAX), enumOf(1_000_000), tree(9)]) {
    t.throws(() => checkFormatSize(format), { code: "INVALID_OPTION", message: MESSAGE });
  }
  t.end();
});

t.test("refused at every route, before anybody is asked", async (t) => {
  const tools = [{ type: "function", function: { name: "f", parameters: tree(9) } }];
  const messages = [{ role: "user", content: "hi" }];
  const schema = { type: "json_schema", json_schema: { schema: tree(9) } };
  const rows: readonly (readonly [path: string, body: object, status: number])[] = [
    ["/api/generate", { prompt: "hi", format: tree(9) }, 500],
    ["/api/generate", { prompt: "hi", format: tree(9), stream: false }, 500],
    ["/api/chat", { messages, format: tree(9) }, 500],
    ["/v1/chat/completions", { messages, response_format: schema }, 400],
    ["/v1/chat/completions", { messages, tools, tool_choice: "required" }, 400],
    ["/v1/messages", { messages, max_tokens: 1, tools: [], stream: true }, 200],
  ];
  for (const [path, body, status] of rows) {
    const records = [recordOf("registry.ollama.ai/library/llama:latest", ["completion", "tools"])];
    const cluster = fakeCluster({ records });
    const response = await createApp(cluster, () => false).request(path, {
      ...{ method: "POST", body: JSON.stringify({ model: "llama", ...body }) },
    });
    const text = await response.text();
    t.equal(response.status, status, `${path} ${text.slice(0, 200)}`);
    if (status === 200) continue;
    t.match(text, MESSAGE, path);
    t.strictSame(cluster.inference.generated, [], path);
  }
});
