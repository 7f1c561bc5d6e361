import t from "tap";
import { sseEvents } from "../fixtures/http.ts";
import { remoteModel } from "./remote-model.ts";

const QUESTION = {
  model: "tiny-chat",
  max_tokens: 64,
  messages: [{ role: "user", content: [{ type: "text", text: "why is the sky blue?" }] }],
  temperature: 0,
};
const ANSWER = "The sky is blue because air scatters blue light from the sun more than red light.";

type Fields = Readonly<Record<string, unknown>>;

function post(url: string, path: string, body: unknown): Promise<Response> {
  return fetch(`${url}${path}`, {
    method: "POST",
    headers: { "x-api-key": "any", "anthropic-version": "2023-06-01" },
    body: JSON.stringify(body),
  });
}

t.test("Anthropic's API, where the model is and where it is not", async (t) => {
  await using cluster = await remoteModel();
  const { holder, remote, holders } = cluster;
  const nodes = [holder, remote];

  await t.test("the same messages, their prompts counted", async (t) => {
    const counts: unknown[] = [];
    for (const { apiUrl } of nodes) {
      const response = await post(apiUrl, "/v1/messages/count_tokens", QUESTION);
      t.equal(response.status, 200);
      const { input_tokens: count } = (await response.json()) as Fields;
      counts.push(count);
    }
    t.equal(counts[0], counts[1]);
    const rows = [
      [QUESTION, { content: [{ type: "text", text: ANSWER }], stop_reason: "end_turn" }],
      [
        { ...QUESTION, stop_sequences: ["blue"], system: "be short" },
        { content: [{ text: "The sky is " }] },
      ],
    ] as const;
    for (const [body, wanted] of rows) {
      const answers = await Promise.all(
        nodes.map(({ apiUrl }) => post(apiUrl, "/v1/messages", body)),
      );
      const [own, forwarded] = (await Promise.all(answers.map((answer) => answer.json()))) as [
        Fields,
        Fields,
      ];
      t.match(own, wanted);
      t.strictSame({ ...forwarded, id: own["id"] }, own);
      t.ok(holders.has(answers[1]?.headers.get("x-ollamamax-node") ?? ""));
      if (body === QUESTION) t.match(own, { usage: { input_tokens: counts[0] } });
    }
  });

  await t.test("the same messages as events", async (t) => {
    for (const { apiUrl } of nodes) {
      const answer = await post(apiUrl, "/v1/messages", { ...QUESTION, stream: true });
      const events = sseEvents(await answer.text()).map(({ data }) => JSON.parse(data) as Fields);
      const text = events.map((event) => (event["delta"] as Fields | undefined)?.["text"] ?? "");
      t.equal(text.join(""), ANSWER);
      const [first, last] = [events[0], events.at(-2)];
      t.match(last, { type: "message_delta", delta: { stop_reason: "end_turn" } });
      const { input_tokens: count } = Object(last?.["usage"]) as Fields;
      t.match(first, { type: "message_start", message: { usage: { input_tokens: count } } });
      t.strictSame(events.at(-1), { type: "message_stop" });
    }
  });

  await t.test("a prompt that is too long to be answered is counted whole", async (t) => {
    const tooLong = "why is the sky blue? ".repeat(5_000);
    const body = { ...QUESTION, messages: [{ role: "user", content: tooLong }] };
    const counts: number[] = [];
    for (const { apiUrl } of nodes) {
      const answer = await post(apiUrl, "/v1/messages/count_tokens", body);
      t.equal(answer.status, 200);
      counts.push(((await answer.json()) as { input_tokens: number }).input_tokens);
    }
    t.ok((counts[0] ?? 0) > 5_000 * 5, `${counts[0]}`);
    t.strictSame(new Set(counts).size, 1, "wherever it is counted");
  });
});
