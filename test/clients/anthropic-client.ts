import Anthropic, {
  APIUserAbortError,
  AuthenticationError,
  BadRequestError,
  NotFoundError,
} from "@anthropic-ai/sdk";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import type { Test } from "tap";
import { z } from "zod";
import {
  ANSWER,
  CITY,
  type ClientNodes,
  failureOf,
  failuresOf,
  LONG,
  MODEL,
  SKY,
  sameOf,
  WRONG_KEY,
} from "./official-client.ts";

const QUESTION = {
  model: MODEL,
  max_tokens: 64,
  messages: [{ role: "user" as const, content: SKY }],
  temperature: 0,
};
const TOOL = {
  name: "get_weather",
  description: "The weather of a city.",
  input_schema: { ...CITY, type: "object" as const },
};

export async function anthropicClient(t: Test, cluster: ClientNodes): Promise<void> {
  const clientOf = (baseURL: string, apiKey: string) => new Anthropic({ baseURL, apiKey });
  const [own, remote] = cluster.nodes;
  const clients = [
    clientOf(own.apiUrl, cluster.key),
    clientOf(remote.apiUrl, cluster.key),
  ] as const;

  await t.test("messages", async (t) => {
    const whole = await sameOf(t, clients, "messages", (client) =>
      client.messages.create(QUESTION),
    );
    t.match(whole, { content: [{ type: "text", text: ANSWER }], stop_reason: "end_turn" });
    t.match(
      await sameOf(t, clients, "max_tokens", (client) =>
        client.messages.create({ ...QUESTION, max_tokens: 4 }),
      ),
      { stop_reason: "max_tokens", usage: { output_tokens: 4 } },
    );
    const counted = await sameOf(t, clients, "count_tokens", (client) =>
      client.messages.countTokens({ model: MODEL, messages: QUESTION.messages }),
    );
    t.equal(counted.input_tokens, whole.usage.input_tokens);
    for (const client of clients) {
      const stream = client.messages.stream(QUESTION);
      const texts: string[] = [];
      stream.on("text", (text) => texts.push(text));
      const message = await stream.finalMessage();
      t.equal(texts.join(""), ANSWER);
      t.ok(texts.length > 1);
      t.match(message, { stop_reason: "end_turn", usage: whole.usage });
    }
  });

  await t.test("a stream that is aborted leaves its slot", async (t) => {
    for (const client of clients) {
      const stream = client.messages.stream({
        ...QUESTION,
        max_tokens: 4_000,
        output_config: { format: { type: "json_schema", schema: LONG } },
      });
      stream.once("text", () => stream.abort());
      t.ok((await failureOf(stream.done())) instanceof APIUserAbortError);
      await cluster.left();
      t.match(await client.messages.create(QUESTION), { content: [{ text: ANSWER }] });
    }
  });

  await t.test("tools", async (t) => {
    const tools = { tools: [TOOL], tool_choice: { type: "any" as const } };
    const called = await sameOf(t, clients, "tools", (client) =>
      client.messages.create({ ...QUESTION, ...tools }),
    );
    const input = { city: /^(Oslo|Rome)$/ };
    t.match(called, {
      stop_reason: "tool_use",
      content: [{ type: "tool_use", name: "get_weather", input }],
    });
    const [call] = called.content;
    const id = call?.type === "tool_use" ? call.id : "";
    const result = { type: "tool_result" as const, tool_use_id: id, content: "rain" };
    const messages = [
      ...QUESTION.messages,
      { role: "assistant" as const, content: called.content },
      { role: "user" as const, content: [result] },
    ];
    for (const client of clients) {
      const stream = client.messages.stream({ ...QUESTION, ...tools });
      const { content } = await stream.finalMessage();
      t.match(content, [{ type: "tool_use", name: "get_weather", input }]);
      const told = await client.messages.create({ ...QUESTION, messages, tools: [TOOL] });
      t.equal(told.role, "assistant");
    }
  });

  await t.test("formats", async (t) => {
    const City = z.object({ city: z.enum(["Oslo", "Rome"]) });
    const format = { output_config: { format: zodOutputFormat(City) } };
    const parsed = await sameOf(t, clients, "zod", (client) =>
      client.messages.parse({ ...QUESTION, ...format }),
    );
    t.match(parsed.parsed_output, { city: /^(Oslo|Rome)$/ });
  });

  await t.test("models", async (t) => {
    const listed = await sameOf(t, clients, "list", (client) =>
      Array.fromAsync(client.models.list()),
    );
    t.match(listed, [{ type: "model", id: `${MODEL}:latest`, display_name: `${MODEL}:latest` }]);
    t.match(await sameOf(t, clients, "retrieve", (client) => client.models.retrieve(MODEL)), {
      type: "model",
      id: MODEL,
    });
  });

  await t.test("errors and keys", async (t) => {
    for (const [at, client] of clients.entries()) {
      const nobody = { ...QUESTION, model: "nobody" };
      const unknown = [
        client.messages.create(nobody),
        client.messages.stream(nobody).done(),
        client.messages.countTokens({ model: "nobody", messages: QUESTION.messages }),
      ];
      for (const error of await failuresOf(unknown)) {
        t.ok(error instanceof NotFoundError);
        t.match(error, { status: 404, error: { error: { type: "not_found_error" } } });
      }
      const bad = client.messages.create({ ...QUESTION, max_tokens: 0 });
      t.ok((await failureOf(bad)) instanceof BadRequestError);
      const { apiUrl } = cluster.nodes[at] ?? own;
      const wrong = clientOf(apiUrl, WRONG_KEY);
      t.ok((await failureOf(wrong.messages.create(QUESTION))) instanceof AuthenticationError);
      const bearer = new Anthropic({ baseURL: apiUrl, apiKey: null, authToken: cluster.key });
      t.match(await bearer.messages.create(QUESTION), { content: [{ text: ANSWER }] });
    }
  });
}
