import OpenAI, {
  APIUserAbortError,
  AuthenticationError,
  BadRequestError,
  NotFoundError,
} from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import type { Test } from "tap";
import { z } from "zod";
import {
  ANSWER,
  CITY,
  type ClientNodes,
  collected,
  failureOf,
  failuresOf,
  LONG,
  MODEL,
  SKY,
  sameOf,
  TOOL,
  WRONG_KEY,
} from "./official-client.ts";

const CHAT = {
  model: MODEL,
  messages: [{ role: "user" as const, content: SKY }],
  temperature: 0,
};
const RESPONSE = { model: MODEL, input: SKY, temperature: 0 };
const WEATHER = {
  type: "function" as const,
  name: "get_weather",
  parameters: CITY,
  strict: true,
};
const City = z.object({ city: z.enum(["Oslo", "Rome"]) });
const IN_OSLO_OR_ROME = /^\{\s*"city"\s*:\s*"(Oslo|Rome)"\s*\}$/;
const LONG_FORMAT = {
  type: "json_schema" as const,
  json_schema: { name: "long", schema: LONG },
};

export async function openAiClient(t: Test, cluster: ClientNodes): Promise<void> {
  const clientOf = (url: string, apiKey: string) => new OpenAI({ baseURL: `${url}/v1`, apiKey });
  const [own, remote] = cluster.nodes;
  const clients = [
    clientOf(own.apiUrl, cluster.key),
    clientOf(remote.apiUrl, cluster.key),
  ] as const;

  await t.test("chat", async (t) => {
    const chatted = await sameOf(t, clients, "chat", (client) =>
      client.chat.completions.create(CHAT),
    );
    t.match(chatted, { choices: [{ message: { content: ANSWER }, finish_reason: "stop" }] });
    const many = { ...CHAT, temperature: 1.5, seed: 7, n: 2, max_completion_tokens: 8 };
    const { choices } = await sameOf(t, clients, "n, seed", (client) =>
      client.chat.completions.create({ ...many, logprobs: true, top_logprobs: 2 }),
    );
    t.match(choices, [{ index: 0 }, { index: 1 }]);
    t.equal(choices[0]?.logprobs?.content?.length, 8);
    t.match(
      await sameOf(t, clients, "stop", (client) =>
        client.chat.completions.create({ ...CHAT, stop: ["blue"] }),
      ),
      { choices: [{ message: { content: "The sky is " }, finish_reason: "stop" }] },
    );
    for (const client of clients) {
      const stream = client.chat.completions.stream({
        ...CHAT,
        stream_options: { include_usage: true },
      });
      const chunks = await collected(stream);
      t.ok(chunks.length > 1);
      t.equal(await stream.finalContent(), ANSWER);
      t.strictSame(await stream.totalUsage(), chatted.usage);
    }
  });

  await t.test("completions", async (t) => {
    const asked = { model: MODEL, prompt: [SKY, "hello"], temperature: 0 };
    const whole = await sameOf(t, clients, "completions", (client) =>
      client.completions.create(asked),
    );
    t.match(whole, { choices: [{ text: ANSWER }, { index: 1 }] });
    for (const client of clients) {
      const stream = await client.completions.create({ ...asked, prompt: SKY, stream: true });
      const chunks = await collected(stream);
      t.equal(chunks.map(({ choices }) => choices[0]?.text ?? "").join(""), ANSWER);
    }
  });

  await t.test("responses", async (t) => {
    const whole = await sameOf(t, clients, "responses", (client) =>
      client.responses.create({ ...RESPONSE, instructions: "You are a tiny model." }),
    );
    t.equal(whole.status, "completed");
    const plain = await sameOf(t, clients, "plain", (client) => client.responses.create(RESPONSE));
    t.equal(plain.output_text, ANSWER);
    for (const client of clients) {
      const stream = client.responses.stream(RESPONSE);
      const deltas = (await collected(stream)).flatMap((event) =>
        event.type === "response.output_text.delta" ? [event.delta] : [],
      );
      t.equal(deltas.join(""), ANSWER);
      const final = await stream.finalResponse();
      t.equal(final.output_text, ANSWER);
      t.strictSame(final.usage, plain.usage);
    }
    const text = { format: zodTextFormat(City, "city") };
    const parsed = await sameOf(t, clients, "zod", (client) =>
      client.responses.parse({ ...RESPONSE, text }),
    );
    t.match(parsed.output_parsed, { city: /^(Oslo|Rome)$/ });
    const tools = { tools: [WEATHER], tool_choice: "required" as const };
    const called = await sameOf(t, clients, "tools", (client) =>
      client.responses.parse({ ...RESPONSE, ...tools }),
    );
    const [call] = called.output;
    t.match(call, { type: "function_call", name: "get_weather", arguments: IN_OSLO_OR_ROME });
    const input = [
      { role: "user" as const, content: SKY },
      ...(call?.type === "function_call"
        ? [
            { ...call, parsed_arguments: undefined },
            { type: "function_call_output" as const, call_id: call.call_id, output: "rain" },
          ]
        : []),
    ];
    t.match(
      await sameOf(t, clients, "tool's result", (client) =>
        client.responses.create({ ...RESPONSE, input, tools: [WEATHER] }),
      ),
      { status: "completed" },
    );
    for (const client of clients) {
      const stream = client.responses.stream({ ...RESPONSE, ...tools });
      t.match((await stream.finalResponse()).output, [{ name: "get_weather" }]);
    }
  });

  await t.test("a stream that is aborted leaves its slot", async (t) => {
    for (const client of clients) {
      const stream = client.chat.completions.stream({ ...CHAT, response_format: LONG_FORMAT });
      stream.once("chunk", () => stream.abort());
      t.ok((await failureOf(stream.done())) instanceof APIUserAbortError);
      await cluster.left();
      const leaving = await client.responses.create({
        ...RESPONSE,
        text: { format: { type: "json_schema", name: "long", schema: LONG } },
        stream: true,
      });
      for await (const _event of leaving) break;
      await cluster.left();
      t.match(await client.chat.completions.create(CHAT), {
        choices: [{ message: { content: ANSWER } }],
      });
    }
  });

  await t.test("embeddings and models", async (t) => {
    const asked = { model: MODEL, input: ["one", "two"] };
    const vectors = await sameOf(t, clients, "embeddings", (client) =>
      client.embeddings.create(asked),
    );
    const floats = await sameOf(t, clients, "embeddings, floats", (client) =>
      client.embeddings.create({ ...asked, encoding_format: "float" }),
    );
    // The client asks for base64 by itself, which holds 32-bit floats.
    t.strictSame(
      vectors.data.map(({ embedding }) => [...embedding]),
      floats.data.map(({ embedding }) => embedding.map(Math.fround)),
    );
    const cut = await sameOf(t, clients, "embeddings, cut", (client) =>
      client.embeddings.create({ ...asked, dimensions: 8 }),
    );
    t.equal(cut.data[0]?.embedding.length, 8);
    const listed = await sameOf(t, clients, "list", (client) => collected(client.models.list()));
    t.match(listed, [{ id: `${MODEL}:latest`, object: "model" }]);
    for (const name of [MODEL, `library/${MODEL}:latest`]) {
      const model = await sameOf(t, clients, name, (client) => client.models.retrieve(name));
      t.equal(model.object, "model");
    }
  });

  await t.test("formats and tools", async (t) => {
    const format = { response_format: zodResponseFormat(City, "city") };
    const parsed = await sameOf(t, clients, "zod", (client) =>
      client.chat.completions.parse({ ...CHAT, ...format }),
    );
    t.match(parsed.choices[0]?.message.parsed, { city: /^(Oslo|Rome)$/ });
    const tools = { tools: [TOOL], tool_choice: "required" as const };
    const called = await sameOf(t, clients, "tools", (client) =>
      client.chat.completions.create({ ...CHAT, ...tools }),
    );
    const call = {
      type: "function",
      function: { name: "get_weather", arguments: IN_OSLO_OR_ROME },
    };
    t.match(called.choices, [{ finish_reason: "tool_calls", message: { tool_calls: [call] } }]);
    for (const client of clients) {
      const stream = client.chat.completions.stream({ ...CHAT, ...tools });
      t.match(await stream.finalFunctionToolCall(), call.function);
      const asked: unknown[] = [];
      const runner = client.chat.completions.runTools({
        ...CHAT,
        tool_choice: { type: "function", function: { name: "get_weather" } },
        tools: [
          {
            type: "function",
            function: {
              name: "get_weather",
              description: "The weather of a city.",
              parameters: CITY,
              parse: JSON.parse,
              function: (given: unknown) => {
                asked.push(given);
                return "rain";
              },
            },
          },
        ],
      });
      await runner.done();
      t.match(asked, [{ city: /^(Oslo|Rome)$/ }], "runTools");
    }
  });

  await t.test("errors and keys", async (t) => {
    const nonsense = { name: "c", schema: { type: "object", properties: { a: { type: "x" } } } };
    const badFormat = { type: "json_schema" as const, json_schema: nonsense };
    for (const [at, client] of clients.entries()) {
      for (const stream of [false, true]) {
        const unknown = client.chat.completions.create({ ...CHAT, model: "nobody", stream });
        t.ok((await failureOf(unknown)) instanceof NotFoundError);
        const bad = client.chat.completions.create({ ...CHAT, response_format: badFormat, stream });
        t.ok((await failureOf(bad)) instanceof BadRequestError);
      }
      const missing = [
        client.responses.create({ ...RESPONSE, model: "nobody" }),
        client.completions.create({ model: "nobody", prompt: SKY }),
        client.embeddings.create({ model: "nobody", input: SKY }),
        client.models.retrieve("nobody"),
      ];
      for (const error of await failuresOf(missing)) {
        t.ok(error instanceof NotFoundError);
        t.match(error, { status: 404, type: "not_found_error" });
      }
      const wrong = clientOf(cluster.nodes[at]?.apiUrl ?? "", WRONG_KEY);
      t.ok((await failureOf(wrong.chat.completions.create(CHAT))) instanceof AuthenticationError);
      t.ok((await failureOf(collected(wrong.models.list()))) instanceof AuthenticationError);
    }
  });
}
