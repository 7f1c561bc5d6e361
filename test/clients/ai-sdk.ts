import { embed, embedMany, generateText, jsonSchema, Output, streamText, tool } from "ai";
import { createOllama, OllamaError } from "ai-sdk-ollama";
import type { Test } from "tap";
import { z } from "zod";
import {
  ANSWER,
  CALL,
  type ClientNodes,
  collected,
  comparable,
  failureOf,
  failuresOf,
  LONG,
  MODEL,
  SKY,
  sameOf,
  WRONG_KEY,
} from "./official-client.ts";

const City = z.object({ city: z.enum(["Oslo", "Rome"]) });
const ASK = { prompt: SKY, temperature: 0, maxRetries: 0 };

export async function aiSdk(t: Test, cluster: ClientNodes): Promise<void> {
  const [own, remote] = cluster.nodes;
  const clients = [
    createOllama({ baseURL: own.apiUrl, apiKey: cluster.key }),
    createOllama({
      baseURL: remote.apiUrl,
      headers: { Authorization: `Bearer ${cluster.key}` },
    }),
  ] as const;

  await t.test("generateText and streamText", async (t) => {
    const whole = await sameOf(t, clients, "generateText", async (client) => {
      const { text, usage, finishReason } = await generateText({ ...ASK, model: client(MODEL) });
      return { text, usage, finishReason };
    });
    t.match(whole, { text: ANSWER, finishReason: "stop" });
    t.match(
      await sameOf(t, clients, "maxOutputTokens", async (client) => {
        const asked = { ...ASK, model: client(MODEL), maxOutputTokens: 3 };
        const { text, finishReason } = await generateText(asked);
        return { text, finishReason };
      }),
      { finishReason: "length" },
    );
    for (const client of clients) {
      const answer = streamText({ ...ASK, model: client(MODEL) });
      const texts = await collected(answer.textStream);
      t.equal(texts.join(""), ANSWER);
      t.ok(texts.length > 1);
      t.strictSame(comparable(await answer.usage), comparable(whole.usage));
    }
  });

  await t.test("a stream that is aborted leaves its slot", async (t) => {
    const schema = { type: "object", properties: { list: LONG }, required: ["list"] } as const;
    const output = Output.object({ schema: jsonSchema(schema) });
    for (const [at, { apiUrl }] of cluster.nodes.entries()) {
      const abort = new AbortController();
      // The provider hands the signal to ollama 0.6.4, which takes none: it must come with the fetch.
      const client = createOllama({
        ...{ baseURL: apiUrl, apiKey: cluster.key },
        fetch: (url, init) => fetch(url, { ...init, signal: abort.signal }),
      });
      const asked = { ...ASK, model: client(MODEL), abortSignal: abort.signal, output };
      const parts: string[] = [];
      for await (const part of streamText(asked).stream) {
        parts.push(part.type);
        if (part.type === "text-delta") abort.abort();
      }
      t.equal(parts.at(-1), "abort");
      await cluster.left();
      t.equal((await generateText({ ...ASK, model: clients[at]?.(MODEL) ?? "" })).text, ANSWER);
    }
  });

  await t.test("embeddings", async (t) => {
    const one = await sameOf(t, clients, "embed", async (client) => {
      const { embedding, usage } = await embed({ model: client.embedding(MODEL), value: "one" });
      return { embedding, usage };
    });
    const many = await sameOf(t, clients, "embedMany", async (client) => {
      const model = client.embedding(MODEL);
      const { embeddings, usage } = await embedMany({ model, values: ["one", "two"] });
      return { embeddings, usage };
    });
    t.equal(many.embeddings.length, 2);
    t.equal(many.embeddings[0]?.length, one.embedding.length);
  });

  await t.test("formats and tools", async (t) => {
    const output = Output.object({ schema: City });
    const parsed = await sameOf(t, clients, "zod", async (client) => {
      const { output: city } = await generateText({ ...ASK, model: client(MODEL), output });
      return city;
    });
    t.match(parsed, { city: /^(Oslo|Rome)$/ });
    const weather = tool({
      description: "The weather of a city.",
      inputSchema: City,
      execute: () => "rain",
    });
    const tools = { get_weather: weather };
    // What the model must write is a call, not the output: the provider would ask again for that.
    const once = { reliableObjectGeneration: false };
    const call = { output: Output.object({ schema: jsonSchema(CALL) }) };
    const called = await sameOf(t, clients, "tools", async (client) => {
      const { toolCalls } = await generateText({
        ...ASK,
        model: client(MODEL, once),
        tools,
        ...call,
      });
      return toolCalls.map(({ toolName, input }) => ({ toolName, input }));
    });
    t.match(called, [{ toolName: "get_weather", input: { city: /^(Oslo|Rome)$/ } }]);
    for (const client of clients) {
      const streamed = streamText({ ...ASK, model: client(MODEL), output });
      t.strictSame(await streamed.output, parsed);
      const calls = streamText({ ...ASK, model: client(MODEL, once), tools, ...call });
      t.match(await calls.toolCalls, called);
    }
  });

  await t.test("errors and keys", async (t) => {
    for (const [at, client] of clients.entries()) {
      const unknown = await failureOf(generateText({ ...ASK, model: client("nobody") }));
      t.ok(OllamaError.isOllamaError(unknown));
      t.match(unknown, { message: /model 'nobody' not found/ });
      const baseURL = cluster.nodes[at]?.apiUrl ?? "";
      const wrong = createOllama({ baseURL, apiKey: WRONG_KEY });
      const refused = [
        generateText({ ...ASK, model: wrong(MODEL) }),
        embed({ model: wrong.embedding(MODEL), value: "one", maxRetries: 0 }),
      ];
      for (const error of await failuresOf(refused)) {
        t.ok(OllamaError.isOllamaError(error));
        t.match(error, { message: /this cluster has no such key/ });
      }
    }
  });
}
