import { Ollama } from "ollama";
import type { Test } from "tap";
import { until } from "../fixtures/until.ts";
import {
  ANSWER,
  CALL,
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

const GREEDY = { model: MODEL, options: { temperature: 0 } };
const MESSAGES = [{ role: "user", content: SKY }];

export async function ollamaClient(t: Test, cluster: ClientNodes): Promise<void> {
  const clientOf = (host: string, key: string) =>
    new Ollama({ host, headers: { Authorization: `Bearer ${key}` } });
  const [own, remote] = cluster.nodes;
  const clients = [
    clientOf(own.apiUrl, cluster.key),
    clientOf(remote.apiUrl, cluster.key),
  ] as const;

  await t.test("whole answers", async (t) => {
    const generated = await sameOf(t, clients, "generate", (client) =>
      client.generate({ ...GREEDY, prompt: SKY }),
    );
    t.match(generated, { model: MODEL, response: ANSWER, done: true, done_reason: "stop" });
    const again = { ...GREEDY, prompt: "and why?", context: generated.context };
    await sameOf(t, clients, "generate with context", (client) => client.generate(again));
    const raw = { ...GREEDY, prompt: `<|user|>${SKY}<|end|><|assistant|>`, raw: true };
    t.match(await sameOf(t, clients, "raw", (client) => client.generate(raw)), {
      response: ANSWER,
    });
    const chatted = await sameOf(t, clients, "chat", (client) =>
      client.chat({ ...GREEDY, messages: MESSAGES, logprobs: true, top_logprobs: 2 }),
    );
    t.match(chatted, { message: { role: "assistant", content: ANSWER } });
    t.equal(chatted.logprobs?.map(({ token }) => token).join(""), ANSWER);
    const short = { ...GREEDY, messages: MESSAGES, options: { temperature: 0, num_predict: 3 } };
    t.match(await sameOf(t, clients, "num_predict", (client) => client.chat(short)), {
      done_reason: "length",
      eval_count: 3,
    });
  });

  await t.test("streams", async (t) => {
    for (const client of clients) {
      const pieces = await collected(
        await client.generate({ ...GREEDY, prompt: SKY, stream: true }),
      );
      t.equal(pieces.map(({ response }) => response).join(""), ANSWER);
      t.match(pieces.at(-1), { done: true, done_reason: "stop" });
      const parts = await collected(
        await client.chat({ ...GREEDY, messages: MESSAGES, stream: true }),
      );
      t.equal(parts.map(({ message }) => message.content).join(""), ANSWER);
      t.ok(parts.length > 1);
    }
  });

  await t.test("a stream that is aborted leaves its slot", async (t) => {
    for (const client of clients) {
      const stream = await client.chat({
        ...GREEDY,
        messages: MESSAGES,
        format: LONG,
        stream: true,
      });
      const read = async () => {
        for await (const _part of stream) stream.abort();
      };
      t.match(await failureOf(read()), { name: "AbortError" });
      await cluster.left();
      t.match(await client.generate({ ...GREEDY, prompt: SKY }), { response: ANSWER });
    }
  });

  await t.test("embeddings", async (t) => {
    const input = ["one", "two"];
    const { embeddings } = await sameOf(t, clients, "embed", (client) =>
      client.embed({ model: MODEL, input }),
    );
    t.equal(embeddings.length, 2);
    const cut = await sameOf(t, clients, "embed, cut", (client) =>
      client.embed({ model: MODEL, input, dimensions: 8 }),
    );
    t.equal(cut.embeddings[0]?.length, 8);
    const { embedding } = await sameOf(t, clients, "embeddings", (client) =>
      client.embeddings({ model: MODEL, prompt: "one" }),
    );
    t.equal(embedding.length, embeddings[0]?.length);
  });

  await t.test("formats and tools", async (t) => {
    const formatted = { ...GREEDY, messages: MESSAGES, format: CITY };
    const { message } = await sameOf(t, clients, "schema", (client) => client.chat(formatted));
    t.match(JSON.parse(message.content), { city: /^(Oslo|Rome)$/ });
    const asked = { ...GREEDY, messages: MESSAGES, tools: [TOOL], format: CALL };
    const called = await sameOf(t, clients, "tools", (client) => client.chat(asked));
    const wanted = { name: "get_weather", arguments: { city: /^(Oslo|Rome)$/ } };
    t.match(called.message.tool_calls, [{ function: wanted }]);
    for (const client of clients) {
      const parts = await collected(await client.chat({ ...asked, stream: true }));
      t.strictSame(
        parts.flatMap((part) => part.message.tool_calls ?? []).map((call) => call.function),
        called.message.tool_calls?.map((call) => call.function),
      );
      const result = { role: "tool", content: "rain", tool_name: "get_weather" };
      const told = { ...GREEDY, messages: [...MESSAGES, called.message, result], tools: [TOOL] };
      t.equal((await client.chat(told)).done, true);
    }
  });

  await t.test("list, show, ps, version", async (t) => {
    t.match(await sameOf(t, clients, "list", (client) => client.list()), {
      models: [{ name: `${MODEL}:latest` }],
    });
    const shown = await sameOf(t, clients, "show", async (client) => {
      const { modelfile, ...rest } = await client.show({ model: MODEL });
      // The file's path is that of the node which holds it.
      return { ...rest, modelfile: modelfile.replace(/^FROM .*[/]blobs[/]/m, "FROM ") };
    });
    t.match(shown, { capabilities: ["completion", "tools"], details: { format: "gguf" } });
    t.match(await sameOf(t, clients, "version", (client) => client.version()), {
      version: /^\d+\.\d+\.\d+$/,
    });
    for (const client of clients) {
      await until(async () => (await client.ps()).models.length === 1);
      t.match((await client.ps()).models, [{ name: `${MODEL}:latest` }]);
    }
  });

  await t.test("errors and keys", async (t) => {
    for (const [at, client] of clients.entries()) {
      const unknown = await failuresOf([
        client.chat({ model: "nobody", messages: MESSAGES }),
        client.generate({ model: "nobody", prompt: SKY, stream: true }),
        client.show({ model: "nobody" }),
        client.embed({ model: "nobody", input: "a" }),
      ]);
      for (const error of unknown) {
        t.match(error, { name: "ResponseError", status_code: 404, message: /not found/ });
      }
      const wrong = clientOf(cluster.nodes[at]?.apiUrl ?? "", WRONG_KEY);
      t.match(await failureOf(wrong.list()), { name: "ResponseError", status_code: 401 });
      const streamed = wrong.chat({ ...GREEDY, messages: MESSAGES, stream: true });
      t.match(await failureOf(streamed), { name: "ResponseError", status_code: 401 });
    }
  });
}
