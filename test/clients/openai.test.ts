import t from "tap";
import { sseEvents } from "../fixtures/http.ts";
import { remoteModel } from "./remote-model.ts";

const QUESTION = {
  model: "tiny-chat",
  messages: [{ role: "user", content: "why is the sky blue?" }],
  temperature: 0,
};
const PROMPT = { model: "tiny-chat", prompt: "why is the sky blue?", temperature: 0 };
const ANSWER = "The sky is blue because air scatters blue light from the sun more than red light.";
const SCHEMA = {
  type: "object",
  properties: { city: { type: "string", maxLength: 20 } },
  required: ["city"],
};

function post(url: string, path: string, body: unknown): Promise<Response> {
  return fetch(`${url}${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: "Bearer any" },
    body: JSON.stringify(body),
  });
}

/** What changes from one answer to the next. */
function comparable(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (key, inner: unknown) =>
    ["id", "created", "created_at", "completed_at"].includes(key) ? undefined : inner,
  );
}

/** The texts that come in chunks are cut by time: joined, they are the same. */
function joined(text: string): unknown {
  const events = sseEvents(text).map(({ data }) => data);
  const chunks = events
    .filter((data) => data !== "[DONE]")
    .map((data) => JSON.parse(data) as Record<string, unknown>);
  const choices = chunks.flatMap((chunk) => chunk["choices"] as Record<string, unknown>[]);
  const textOf = (choice: Record<string, unknown>): string =>
    String((choice["delta"] as Record<string, unknown> | undefined)?.["content"] ?? "") +
    String(choice["text"] ?? "");
  return {
    ids: new Set(chunks.map(({ id }) => id)).size,
    text: choices.map(textOf).join(""),
    roles: choices.filter((choice) => (choice["delta"] as { role?: string } | undefined)?.role)
      .length,
    reasons: choices.map((choice) => choice["finish_reason"]).filter(Boolean),
    usage: chunks.at(-1)?.["usage"],
    last: events.at(-1),
  };
}

t.test("OpenAI's API, where the model is and where it is not", async (t) => {
  await using cluster = await remoteModel();
  const { holder, remote, holders } = cluster;
  const nodes = [holder, remote];

  await t.test("the same answers in one object", async (t) => {
    const rows: readonly (readonly [path: string, body: object, wanted: object])[] = [
      [
        "/v1/chat/completions",
        QUESTION,
        { choices: [{ message: { role: "assistant", content: ANSWER }, finish_reason: "stop" }] },
      ],
      [
        "/v1/chat/completions",
        { ...QUESTION, max_completion_tokens: 4, logprobs: true, top_logprobs: 2 },
        { choices: [{ finish_reason: "length" }], usage: { completion_tokens: 4 } },
      ],
      [
        "/v1/chat/completions",
        { ...QUESTION, stop: "blue" },
        { choices: [{ message: { content: "The sky is " }, finish_reason: "stop" }] },
      ],
      [
        "/v1/chat/completions",
        { ...QUESTION, temperature: 1.5, seed: 7, n: 3, max_tokens: 8 },
        { choices: [{ index: 0 }, { index: 1 }, { index: 2 }] },
      ],
      [
        "/v1/chat/completions",
        {
          ...QUESTION,
          response_format: { type: "json_schema", json_schema: { name: "c", schema: SCHEMA } },
        },
        { choices: [{ message: { content: /^\{\s*"city"/ } }] },
      ],
      [
        "/v1/completions",
        { model: "tiny-chat", prompt: ["why is the sky blue?", "hello"], temperature: 0 },
        { object: "text_completion", choices: [{ text: ANSWER }, { index: 1 }] },
      ],
      [
        "/v1/completions",
        { model: "tiny-chat", prompt: "" },
        { choices: [{ text: "", finish_reason: "load" }], usage: { total_tokens: 0 } },
      ],
      ["/api/embed", { model: "tiny-chat", keep_alive: -1 }, { embeddings: [] }],
      [
        "/v1/responses",
        { model: "tiny-chat", input: "why is the sky blue?", temperature: 0 },
        { object: "response", output: [{ content: [{ text: ANSWER }] }] },
      ],
      [
        "/v1/embeddings",
        { model: "tiny-chat", input: ["one", "two"], encoding_format: "base64" },
        { data: [{ embedding: /^[A-Za-z0-9+/]+=*$/ }, { index: 1 }] },
      ],
    ];
    for (const [path, body, wanted] of rows) {
      const answers = await Promise.all(nodes.map(({ apiUrl }) => post(apiUrl, path, body)));
      const [own, forwarded] = await Promise.all(answers.map((answer) => answer.json()));
      const what = `${path} ${JSON.stringify(body)}`;
      t.strictSame(
        answers.map(({ status }) => status),
        [200, 200],
        what,
      );
      t.match(own, wanted, what);
      t.strictSame(comparable(forwarded), comparable(own), what);
      const node = answers[1]?.headers.get("x-ollamamax-node") ?? "";
      t.ok(holders.has(node), `${what} was answered by ${node}`);
    }
  });

  await t.test("the same answers in chunks", async (t) => {
    const stream = { stream: true, stream_options: { include_usage: true } };
    const rows = [
      ["/v1/chat/completions", { ...QUESTION, ...stream }, 1],
      ["/v1/completions", { ...PROMPT, ...stream }, 0],
    ] as const;
    for (const [path, body, roles] of rows) {
      const whole = await post(holder.apiUrl, path, { ...body, stream: false });
      const { usage } = (await whole.json()) as { readonly usage: object };
      for (const { apiUrl } of nodes) {
        const answer = await post(apiUrl, path, body);
        t.equal(answer.headers.get("content-type"), "text/event-stream");
        t.strictSame(
          joined(await answer.text()),
          { ids: 1, text: ANSWER, roles, reasons: ["stop"], usage, last: "[DONE]" },
          `${path} at ${apiUrl}`,
        );
      }
    }
  });

  await t.test("a refusal, to a client that waits for events", async (t) => {
    for (const { apiUrl } of nodes) {
      const body = { ...QUESTION, messages: [], stream: true };
      const answer = await post(apiUrl, "/v1/chat/completions", body);
      t.equal(answer.status, 400);
      t.match(await answer.json(), { error: { type: "invalid_request_error" } });
    }
  });

  await t.test("a holder killed while it answers breaks no stream", async (t) => {
    const asked = Array.from({ length: 8 }, () =>
      post(remote.apiUrl, "/v1/chat/completions", { ...QUESTION, stream: true }),
    );
    const first = await Promise.race(asked);
    await holders.get(first.headers.get("x-ollamamax-node") ?? "")?.kill("SIGKILL");
    for (const answer of await Promise.all(asked)) {
      t.match(joined(await answer.text()), { text: ANSWER, reasons: ["stop"], last: "[DONE]" });
    }
  });
});
