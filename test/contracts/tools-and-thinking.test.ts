import t, { type Test } from "tap";
import { createApp } from "../../src/api/app.ts";
import { said } from "../../src/api/output/output-part.ts";
import { OutputReader } from "../../src/api/output/output-reader.ts";
import { ModelStore } from "../../src/blobs/model-store.ts";
import { systemClock } from "../../src/core/clock.ts";
import type { GenerateRequest } from "../../src/core/inference.ts";
import { silentLog } from "../../src/core/log.ts";
import type { ModelRecord } from "../../src/core/model.ts";
import type { NodeId } from "../../src/core/node-id.ts";
import type { Engine } from "../../src/core/ports.ts";
import { seededRandom, systemRandom } from "../../src/core/random.ts";
import { collect, ending, user } from "../../src/engine/engine.contract.ts";
import { LlamaEngine } from "../../src/engine/llama-engine.ts";
import { RemoteEngine } from "../../src/router/remote-engine.ts";
import { servePeers } from "../../src/router/serve-peers.ts";
import { demoModelWith } from "../fixtures/chat-template-file.ts";
import { fakeCluster, nodeOf, ROUTE } from "../fixtures/fake-cluster.ts";
import { ndjson } from "../fixtures/http.ts";
import { type OllamaModel, writeOllamaModel } from "../fixtures/ollama-folder.ts";
import { MemoryPeers } from "../fixtures/peer-streams.ts";
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

/** An API on one node whose model is on another: of a file with this template, and what Ollama has beside the file. */
async function withModel(
  t: Test,
  { template, ...beside }: { readonly template: string } & Omit<OllamaModel, "model">,
  use: (walked: Walked) => Promise<void>,
) {
  const dir = tempFolder(t);
  const model = demoModelWith(template);
  writeOllamaModel(dir, "registry.ollama.ai/library/tooly/latest", { model, ...beside });
  const deps = { clock: systemClock, log: silentLog, random: systemRandom };
  await using store = await ModelStore.open({ dir }, deps);
  const [record] = store.list();
  if (!record) throw new Error("no model");
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
  await withModel(t, { template: TEMPLATE }, async (walked) => {
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

/** What the client is told of the answer's format, and the prompt. */
async function shownTo({ engine, record, post }: Walked) {
  const messages = [{ role: "user", content: SKY }];
  const input = { kind: "messages", messages, tools: [TOOL] } as const;
  const { events } = await collect({ engine, model: record.manifest }, { input, maxTokens: 1 });
  const started = events.find((event) => event.type === "started");
  const response = await post("/api/chat", { messages, tools: [TOOL], _debug_render_only: true });
  const body = (await response.json()) as { _debug_info: { rendered_template: string } };
  return { output: started?.output, prompt: body._debug_info.rendered_template };
}

t.test("a TEMPLATE tells the marks that it has around calls and thoughts", async (t) => {
  const layers = [
    [
      "template",
      "{{ .Tools }}{{ range .Messages }}{{ if .Thinking }}<pondering>{{ .Thinking }}</pondering>{{ end }}{{ .Content }}{{ range .ToolCalls }}<call>{{ .Function.Arguments }}</call>{{ end }}{{ end }}",
    ],
  ] as const;
  await withModel(t, { template: "{{ messages[0].content }}", layers }, async (walked) => {
    t.same(walked.record.capabilities, ["completion", "tools", "thinking"]);
    const { output, prompt } = await shownTo(walked);
    t.match(prompt, /get_weather.*why is the sky blue/);
    t.same(output, {
      calls: "json",
      callMarks: { open: "<call>", close: "</call>" },
      thinking: { open: "<pondering>", close: "</pondering>" },
    });
  });
});

t.test("a renderer is the file's template, and the parser tells what that does not", async (t) => {
  const layers = [
    ["template", "{{ .Tools }}<go>{{ range .Messages }}{{ .Content }}{{ end }}"],
  ] as const;
  const config = { renderer: "qwen3-thinking", parser: "qwen3-thinking" };
  const template = "<jinja>{% if tools %}{{ tools | tojson }}{% endif %}{{ messages[0].content }}";
  await withModel(t, { template, layers, config }, async (walked) => {
    t.same(walked.record.capabilities, ["completion", "tools", "thinking"]);
    const { output, prompt } = await shownTo(walked);
    t.match(prompt, /^<jinja>\[.*get_weather.*why is the sky blue/);
    t.same(output, { calls: "hermes", thinking: { open: "<think>", close: "</think>" } });
  });
});
