import { AIMessageChunk, HumanMessage, ToolMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { ChatOllama, type ChatOllamaInput, Ollama, OllamaEmbeddings } from "@langchain/ollama";
import type { Test } from "tap";
import { z } from "zod";
import {
  ANSWER,
  CALL,
  type ClientNodes,
  collected,
  failureOf,
  failuresOf,
  LONG,
  MODEL,
  SKY,
  sameOf,
  WRONG_KEY,
} from "./official-client.ts";

const City = z.object({ city: z.enum(["Oslo", "Rome"]) });
const weather = tool(() => "rain", {
  name: "get_weather",
  description: "The weather of a city.",
  schema: City,
});

export async function langchain(t: Test, cluster: ClientNodes): Promise<void> {
  const settingsOf = (baseUrl: string, key: string) => ({
    ...{ baseUrl, model: MODEL, temperature: 0, maxRetries: 0 },
    headers: { Authorization: `Bearer ${key}` },
  });
  const [own, remote] = cluster.nodes;
  const settings = [
    settingsOf(own.apiUrl, cluster.key),
    settingsOf(remote.apiUrl, cluster.key),
  ] as const;
  const chat = (more: Partial<ChatOllamaInput> = {}) =>
    [
      new ChatOllama({ ...settings[0], ...more }),
      new ChatOllama({ ...settings[1], ...more }),
    ] as const;

  await t.test("chat and generate", async (t) => {
    const message = await sameOf(t, chat(), "invoke", (client) => client.invoke(SKY));
    t.equal(message.content, ANSWER);
    t.match(message.usage_metadata, { input_tokens: /\d/, output_tokens: /\d/ });
    t.match(
      await sameOf(t, chat({ numPredict: 3 }), "numPredict", (client) => client.invoke(SKY)),
      {
        response_metadata: { done_reason: "length", eval_count: 3 },
      },
    );
    const checked = chat({ checkOrPullModel: true });
    t.equal((await sameOf(t, checked, "check", (client) => client.invoke(SKY))).content, ANSWER);
    const batch = await sameOf(t, chat(), "batch", (client) => client.batch([SKY, "hello"]));
    t.equal(batch[0]?.content, ANSWER);
    for (const client of chat()) {
      const chunks = await collected(await client.stream(SKY));
      t.equal(chunks.map(({ content }) => content).join(""), ANSWER);
      t.ok(chunks.length > 1);
      t.match(message.usage_metadata, chunks.at(-1)?.usage_metadata);
    }
    const generators = [new Ollama(settings[0]), new Ollama(settings[1])] as const;
    const generated = await sameOf(t, generators, "generate", (client) => client.invoke(SKY));
    t.equal(generated, ANSWER);
    for (const client of generators) {
      t.equal((await collected(await client.stream(SKY))).join(""), ANSWER);
    }
  });

  await t.test("a stream that is aborted leaves its slot", async (t) => {
    for (const [at, client] of chat({ format: LONG }).entries()) {
      const abort = new AbortController();
      const read = async () => {
        for await (const _chunk of await client.stream(SKY, { signal: abort.signal }))
          abort.abort();
      };
      t.match(await failureOf(read()), { message: /abort/i });
      await cluster.left();
      t.equal((await chat()[at]?.invoke(SKY))?.content, ANSWER);
    }
  });

  await t.test("embeddings", async (t) => {
    const clients = [new OllamaEmbeddings(settings[0]), new OllamaEmbeddings(settings[1])] as const;
    const query = await sameOf(t, clients, "embedQuery", (client) => client.embedQuery("one"));
    const documents = await sameOf(t, clients, "embedDocuments", (client) =>
      client.embedDocuments(["one", "two"]),
    );
    t.equal(documents.length, 2);
    t.equal(documents[0]?.length, query.length);
  });

  await t.test("formats and tools", async (t) => {
    const parsed = await sameOf(t, chat(), "zod", (client) =>
      client.withStructuredOutput(City, { method: "jsonSchema" }).invoke(SKY),
    );
    t.match(parsed, { city: /^(Oslo|Rome)$/ });
    const clients = chat({ format: CALL });
    const called = await sameOf(t, clients, "tools", (client) =>
      client.bindTools([weather]).invoke(SKY),
    );
    t.match(called.tool_calls, [{ name: "get_weather", args: { city: /^(Oslo|Rome)$/ } }]);
    for (const [at, client] of clients.entries()) {
      const [first = new AIMessageChunk(""), ...rest] = await collected(
        await client.bindTools([weather]).stream(SKY),
      );
      const whole = rest.reduce((sum, chunk) => sum.concat(chunk), first);
      t.match(whole.tool_calls, [{ name: "get_weather", args: called.tool_calls?.[0]?.args }]);
      const [call] = called.tool_calls ?? [];
      const result = new ToolMessage({ content: "rain", tool_call_id: call?.id ?? "" });
      const told = await chat()[at]?.invoke([new HumanMessage(SKY), called, result]);
      t.equal(told?.response_metadata["done"], true);
    }
  });

  await t.test("errors and keys", async (t) => {
    for (const given of settings) {
      const nobody = new ChatOllama({ ...given, model: "nobody" });
      t.match(await failureOf(nobody.invoke(SKY)), {
        name: "ResponseError",
        status_code: 404,
        message: "model 'nobody' not found",
      });
      const wrong = settingsOf(given.baseUrl, WRONG_KEY);
      const refused = [
        new ChatOllama(wrong).invoke(SKY),
        new OllamaEmbeddings(wrong).embedQuery("one"),
      ];
      for (const error of await failuresOf(refused)) {
        t.match(error, { name: "ResponseError", status_code: 401 });
      }
    }
  });
}
