import t from "tap";
import { Outbox } from "./outbox.ts";
import { EVENTS_IN_FLIGHT_MAX, type JobEvent, TOKENS_AHEAD_MAX } from "./protocol.ts";

const word = (text: string) => ({ type: "text", text, tokens: 1 }) as const;
const END = {
  type: "end",
  reason: "stop",
  promptTokens: 1,
  tokens: 1,
  promptMs: 0,
  outputMs: 0,
} as const;

t.test("a reader that keeps up gets every event at once", async (t) => {
  const sent: JobEvent[] = [];
  const outbox = new Outbox((event) => sent.push(event));
  const { signal } = new AbortController();
  for (let index = 0; index < 3 * EVENTS_IN_FLIGHT_MAX; index++) {
    await outbox.text(word(`${index} `), signal);
    t.equal(sent.length, index + 1, `event ${index}`);
    outbox.credit(1);
  }
});

t.test(
  "texts are put together for a reader that is behind, in order, before the end",
  async (t) => {
    const sent: JobEvent[] = [];
    const outbox = new Outbox((event) => sent.push(event));
    const { signal } = new AbortController();
    for (let index = 0; index < EVENTS_IN_FLIGHT_MAX; index++) await outbox.text(word("."), signal);
    for (const text of ["a", "b", "c"]) await outbox.text(word(text), signal);
    t.equal(sent.length, EVENTS_IN_FLIGHT_MAX);
    outbox.credit(1);
    t.same(sent.at(-1), { type: "text", text: "abc", tokens: 3 });
    await outbox.text(word("d"), signal);
    outbox.other(END);
    t.same(sent.slice(-2), [word("d"), END]);
  },
);

t.test("a generation far ahead of its reader waits", async (t) => {
  const outbox = new Outbox(() => {});
  const abort = new AbortController();
  const room = EVENTS_IN_FLIGHT_MAX + TOKENS_AHEAD_MAX - 1;
  for (let index = 0; index < room; index++) await outbox.text(word("."), abort.signal);
  let went = false;
  const last = outbox.text(word("."), abort.signal).then(() => {
    went = true;
  });
  await new Promise<void>((resolve) => setImmediate(resolve));
  t.notOk(went, "it waits");
  outbox.credit(1);
  await last;
  t.ok(went, "until the reader has taken something");
  for (let index = 0; index < TOKENS_AHEAD_MAX - 1; index++) {
    await outbox.text(word("."), abort.signal);
  }
  const waiting = outbox.text(word("."), abort.signal);
  abort.abort();
  await waiting;
  t.pass("or is cancelled");
});
