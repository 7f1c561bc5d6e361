import { writeFileSync } from "node:fs";
import path from "node:path";
import t, { type Test } from "tap";
import { createApp } from "../../src/api/app.ts";
import { said } from "../../src/api/output/output-part.ts";
import { OutputReader } from "../../src/api/output/output-reader.ts";
import { importGguf } from "../../src/blobs/import-gguf.ts";
import { ModelStore } from "../../src/blobs/model-store.ts";
import { systemClock } from "../../src/core/clock.ts";
import type { GenerateRequest } from "../../src/core/inference.ts";
import { silentLog } from "../../src/core/log.ts";
import type { ModelRecord } from "../../src/core/model.ts";
import type { NodeId } from "../../src/core/node-id.ts";
import type { Engine } from "../../src/core/ports.ts";
import { systemRandom } from "../../src/core/random.ts";
import { collect, ending, user, waiting } from "../../src/engine/engine.contract.ts";
import { LlamaEngine } from "../../src/engine/llama-engine.ts";
import { RemoteEngine } from "../../src/router/remote-engine.ts";
import { servePeers } from "../../src/router/serve-peers.ts";
import { demoModelWith } from "../fixtures/chat-template-file.ts";
import { fakeCluster, nodeOf, ROUTE } from "../fixtures/fake-cluster.ts";
import { ndjson } from "../fixtures/http.ts";
import { MemoryPeers } from "../fixtures/peer-streams.ts";
import { seededRandom } from "../fixtures/seeded-random.ts";
import { tempFolder } from "../fixtures/temp-folder.ts";

// The demo model knows neither tools nor thinking. But with another template in its file it is shown them, and a grammar
// makes it write a call: so the whole way of both is walked, from the template on one node to the client on another.

/** As the demo model was trained, and what Llama 3.2 and Qwen 3 have around it. */
const TEMPLATE = `{%- if tools %}{{ 'Respond in the format {"name": function name, "parameters": {}}.' }}
{%- for tool in tools %}{{ tool | tojson }}{% endfor %}<|start_header_id|>{% endif -%}
{%- for message in messages %}<|{{ message.role }}|>{{ message.content }}
{%- for call in message.tool_calls or [] %}{{ call.function.name }}={{ call.function.arguments | tojson }}#{{ call.id }}{% endfor -%}
{%- if message.role == 'tool' %} of {{ message.name }}#{{ message.tool_call_id }}{% endif -%}
<|end|>{% endfor %}<|assistant|>{% if enable_thinking %}<think>
{% endif %}`;

const HERE = "here" as NodeId;
const THERE = "there" as NodeId;
const SKY = "why is the sky blue?";
const TOOL = {
  type: "function",
  function: { name: "get_weather", parameters: { type: "object", properties: {} } },
};
const CALL_SCHEMA = {
  type: "object",
  properties: {
    name: { const: "get_weather" },
    parameters: {
      type: "object",
      properties: { city: { const: "Oslo" } },
      required: ["city"],
      additionalProperties: false,
    },
  },
  required: ["name", "parameters"],
  additionalProperties: false,
};

interface Walked {
  readonly record: ModelRecord;
  readonly engine: Engine;
  readonly post: (route: string, body: object) => Promise<Response>;
}

/** An API on one node whose model is on another. */
async function withModel(t: Test, template: string, use: (walked: Walked) => Promise<void>) {
  const folder = tempFolder(t);
  const file = path.join(folder, "model.gguf");
  writeFileSync(file, demoModelWith(template));
  const deps = { clock: systemClock, log: silentLog, random: systemRandom };
  await using store = await ModelStore.open({ dir: path.join(folder, "models") }, deps);
  const record = await importGguf(store, { file, name: "tooly" }, waiting());
  await using engine = await LlamaEngine.open({}, { ...deps, models: store });
  const peers = new MemoryPeers();
  const there = { streams: peers.node(THERE), engine, models: store, log: silentLog };
  using _serving = servePeers(there);
  const remote = new RemoteEngine(THERE, {
    streams: peers.node(HERE),
    view: () => nodeOf({ id: THERE }),
  });
  const cluster = fakeCluster({ records: [record] });
  cluster.inference.script = async function* (request, signal) {
    yield { type: "routed", ...ROUTE };
    yield* remote.generate(request, { signal });
  };
  const app = createApp(cluster, () => false);
  const post = async (route: string, body: object): Promise<Response> => {
    const options = { temperature: 0 };
    const text = JSON.stringify({ model: "tooly", options, ...body });
    return await app.request(route, { method: "POST", body: text });
  };
  await use({ record, engine: remote, post });
}

/** What an answer says that one node begins, for so many tokens, and another one ends. */
async function saidInTwo(tested: Walked, request: Partial<GenerateRequest>, tokens: number) {
  const { engine, record } = tested;
  const model = record.manifest;
  const begun = await collect({ engine, model }, { ...request, maxTokens: tokens });
  const resume = { text: begun.text, tokens };
  const rest = await collect({ engine, model }, { ...request, resume });
  const reader = new OutputReader({ input: request.input ?? user("") }, seededRandom(1));
  const events = [...begun.events.filter(({ type }) => type !== "end"), ...rest.events];
  return said(events.flatMap((event) => reader.read(event)?.parts ?? []));
}

t.test("tools and thinking, from the template to the client", async (t) => {
  await withModel(t, TEMPLATE, async (walked) => {
    const { post, record } = walked;
    const messages = [{ role: "user", content: SKY }];
    const asked = { messages, tools: [TOOL], think: false };
    t.same(record.capabilities, ["completion", "tools", "thinking"], "as the template tells");

    await t.test("the template shows the model its tools, calls and answers", async (t) => {
      const response = await post("/api/chat", {
        ...asked,
        think: true,
        messages: [
          ...messages,
          {
            role: "assistant",
            content: "",
            tool_calls: [{ function: { name: "get_weather", arguments: { city: "Oslo" } } }],
          },
          { role: "tool", tool_name: "get_weather", content: "rain" },
        ],
        _debug_render_only: true,
      });
      const body = (await response.json()) as { _debug_info: { rendered_template: string } };
      const prompt = body._debug_info.rendered_template;
      t.match(prompt, '"name": "get_weather"');
      t.match(prompt, 'get_weather={"city": "Oslo"}#call00000');
      t.match(prompt, "rain of get_weather#call00000");
      t.match(prompt, /<think>\n$/);
    });

    await t.test("a call, streamed and whole", async (t) => {
      const call = { function: { index: 0, name: "get_weather", arguments: { city: "Oslo" } } };
      const message = { role: "assistant", content: "", tool_calls: [call] };
      const whole = await post("/api/chat", { ...asked, format: CALL_SCHEMA, stream: false });
      t.match(await whole.json(), { message, done: true, done_reason: "stop" });
      const streamed = await post("/api/chat", { ...asked, format: CALL_SCHEMA });
      const lines = ndjson(await streamed.text());
      t.equal(lines.length, 2, "nothing of the call is sent before it is whole");
      t.match(lines, [
        { message, done: false },
        { message: { role: "assistant", content: "" }, done: true, done_reason: "stop" },
      ]);
    });

    await t.test("a call that breaks off goes on on another node, from any token", async (t) => {
      const call = { name: "get_weather", arguments: { city: "Oslo" } };
      const input = { kind: "messages", ...asked } as const;
      const request = { input, format: CALL_SCHEMA };
      const { events } = await collect({ ...walked, model: record.manifest }, request);
      const { tokens } = ending(events);
      t.ok(tokens > 10, `${tokens} tokens`);
      for (let count = 1; count < tokens; count++) {
        const { thinking, content, calls } = await saidInTwo(walked, request, count);
        t.match({ thinking, content, calls }, { thinking: "", content: "", calls: [call] });
      }
    });

    await t.test("an answer with tools at hand is content", async (t) => {
      const lines = ndjson(await (await post("/api/chat", asked)).text());
      const said = lines.map((line) => (line["message"] as { content: string }).content);
      t.not(said.join(""), "");
      t.ok(lines.length > 3, "as it comes");
      t.notMatch(JSON.stringify(lines), /thinking|tool_calls/);
    });

    await t.test("thinking that the prompt has begun", async (t) => {
      for (const [route, body] of [
        ["/api/chat", { messages }],
        ["/api/generate", { prompt: SKY }],
      ] as const) {
        const asked = { ...body, options: { temperature: 0, num_predict: 8 } };
        const lines = ndjson(await (await post(route, asked)).text());
        const fields = lines.map((line) => (line["message"] ?? line) as Record<string, unknown>);
        const thought = fields.map((field) => field["thinking"] ?? "").join("");
        t.not(thought, "", route);
        t.ok(fields.every((field) => (field["content"] ?? field["response"]) === ""));
        const whole = (await (await post(route, { ...asked, stream: false })).json()) as Record<
          string,
          unknown
        >;
        const message = (whole["message"] ?? whole) as Record<string, unknown>;
        t.equal(message["thinking"], thought, "whole, the same");
      }
    });

    await t.test("a format binds what comes after the thinking", async (t) => {
      const format = { type: "object", properties: {}, additionalProperties: false };
      const free = { messages, format, stream: false, options: { temperature: 0, num_predict: 8 } };
      const thinking = (await (await post("/api/chat", free)).json()) as {
        message: { content: string; thinking: string };
      };
      t.match(thinking.message, { content: "", thinking: /[a-z]/ });
      const bound = (await (await post("/api/chat", { ...free, think: false })).json()) as {
        message: { content: string };
      };
      t.same(JSON.parse(bound.message.content), {});
      const input = { kind: "messages", messages, think: true } as const;
      const resume = { text: "hm\n</think>", tokens: 3 };
      const tested = { ...walked, model: record.manifest };
      const { text } = await collect(tested, { input, format, resume });
      t.same(JSON.parse(text), {}, "also where another node has ended the thinking");
    });
  });
});
