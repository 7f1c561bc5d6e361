import t from "tap";
import { createApp } from "../../src/api/app.ts";
import type { RoutedEvent } from "../../src/core/inference.ts";
import { eventsOf, fakeCluster, ROUTE, recordOf } from "../fixtures/fake-cluster.ts";
import { ndjson, sseEvents } from "../fixtures/http.ts";

// What is said before a call and after it is the same text, letter for letter, whether an answer is streamed or whole, and
// wherever the model's pieces were cut.

const ANSWER =
  '<think>\nhm\n</think>\n\nI look. \n\n<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>\n\n And  now:\n<tool_call>{"name": "f"}}</tool_call>\n  Done.\n';
const THINKING = "hm";
const TEXT = "I look.And  now:Done.\n";
const MESSAGES = [{ role: "user", content: "hi" }];
const F = { name: "f", description: "d" };
const TOOLS = [{ type: "function", function: F }];

type Fields = Readonly<Record<string, unknown>>;

interface Route {
  readonly path: string;
  readonly body: Fields;
  /** All texts at this place, put together: of the events of a stream, or of the one body. */
  readonly said: (events: readonly Fields[]) => { readonly text: string; readonly calls: number };
}

const fieldsOf = (value: unknown): Fields => (value ?? {}) as Fields;
const listOf = (value: unknown): readonly Fields[] => (value ?? []) as readonly Fields[];
const textIn = (values: readonly unknown[]): string => values.map((value) => value ?? "").join("");

const ROUTES: readonly Route[] = [
  {
    path: "/api/chat",
    body: { tools: TOOLS },
    said: (events) => {
      const messages = events.map(({ message }) => fieldsOf(message));
      const calls = messages.flatMap(({ tool_calls }) => listOf(tool_calls));
      return { text: textIn(messages.map(({ content }) => content)), calls: calls.length };
    },
  },
  {
    path: "/v1/chat/completions",
    body: { tools: TOOLS },
    said: (events) => {
      const choices = events.flatMap(({ choices }) => listOf(choices));
      const parts = choices.map(({ message, delta }) => fieldsOf(message ?? delta));
      const calls = parts.flatMap(({ tool_calls }) => listOf(tool_calls));
      return { text: textIn(parts.map(({ content }) => content)), calls: calls.length };
    },
  },
  {
    path: "/v1/messages",
    body: { max_tokens: 99, tools: [{ ...F, input_schema: { type: "object" } }] },
    said: (events) => {
      const blocks = events.flatMap(({ content, content_block }) =>
        listOf(content ?? (content_block ? [content_block] : [])),
      );
      const deltas = events.map(({ delta }) => fieldsOf(delta));
      const calls = blocks.filter(({ type }) => type === "tool_use");
      return { text: textIn([...blocks, ...deltas].map(({ text }) => text)), calls: calls.length };
    },
  },
];

async function eventsFrom(route: Route, pieces: readonly string[], stream: boolean) {
  const name = "registry.ollama.ai/library/tooly:latest";
  const cluster = fakeCluster({ records: [recordOf(name, ["completion", "thinking", "tools"])] });
  const script: readonly RoutedEvent[] = [
    { type: "routed", ...ROUTE },
    {
      ...{ type: "started", promptTokens: 5, cachedTokens: 0, loadMs: 0 },
      output: { calls: "hermes", thinking: { open: "<think>", close: "</think>" } },
    },
    ...pieces.map((text) => ({ type: "text", text, tokens: 1 }) as const),
    { type: "end", reason: "stop", promptTokens: 5, tokens: 7, promptMs: 1, outputMs: 1 },
  ];
  cluster.inference.script = () => eventsOf(script);
  const body = JSON.stringify({ model: "tooly", messages: MESSAGES, stream, ...route.body });
  const response = await createApp(cluster, () => false).request(route.path, {
    method: "POST",
    body,
  });
  const text = await response.text();
  if (!stream) return [JSON.parse(text) as Fields];
  if (route.path.startsWith("/api/")) return ndjson(text);
  const data = sseEvents(text).map((event) => event.data);
  return data.filter((one) => one !== "[DONE]").map((one) => JSON.parse(one) as Fields);
}

t.test("an answer says the same, streamed and whole", async (t) => {
  for (const route of ROUTES) {
    for (const stream of [true, false]) {
      for (const pieces of [[ANSWER], ANSWER.split("")]) {
        const events = await eventsFrom(route, pieces, stream);
        const what = `${route.path}, ${stream ? "streamed" : "whole"}, in ${pieces.length} pieces`;
        t.same(route.said(events), { text: TEXT, calls: 2 }, what);
        if (!stream) t.match(JSON.stringify(events), `"${THINKING}"`, what);
      }
    }
  }
});
