import fc from "fast-check";
import t from "tap";
import { sseEvents } from "../../../test/fixtures/http.ts";
import { sseEvent, sseStream } from "./sse.ts";

async function* of(items: readonly string[], failure?: Error): AsyncGenerator<string> {
  yield* items;
  if (failure) throw failure;
}

const text = (stream: ReadableStream<Uint8Array>): Promise<string> => new Response(stream).text();
const writer = {
  item: (item: string) => (item === "" ? "" : sseEvent({ item })),
  end: () => sseEvent("[DONE]"),
  error: (error: unknown) => sseEvent({ error: (error as Error).message }),
};

t.test("events", async (t) => {
  t.equal(sseEvent({ a: "<\n>" }), 'data: {"a":"\\u003c\\n\\u003e"}\n\n');
  t.equal(sseEvent({ a: 1 }, "ping"), 'event: ping\ndata: {"a":1}\n\n');
  t.equal(await text(sseStream(of([]), writer)), "data: [DONE]\n\n");
  t.equal(
    await text(sseStream(of(["a", "", "b"]), writer)),
    'data: {"item":"a"}\n\ndata: {"item":"b"}\n\ndata: [DONE]\n\n',
    "an empty text is no event",
  );
  t.equal(
    await text(sseStream(of(["a"], new Error("gone")), writer)),
    'data: {"item":"a"}\n\ndata: {"error":"gone"}\n\n',
  );
});

t.test("whatever is in them, events are told apart", async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.string({ unit: "binary", minLength: 1 })), async (items) => {
      const events = sseEvents(await text(sseStream(of(items), writer)));
      t.strictSame(
        events.slice(0, -1).map(({ data }) => (JSON.parse(data) as { item: string }).item),
        items,
      );
      return events.at(-1)?.data === "[DONE]";
    }),
  );
  t.pass();
});

t.test("whoever leaves ends the source, and nothing is read ahead", async (t) => {
  let made = 0;
  let ended = false;
  async function* endless(): AsyncGenerator<string> {
    try {
      for (;;) yield `${made++}`;
    } finally {
      ended = true;
    }
  }
  const reader = sseStream(endless(), writer).getReader();
  await reader.read();
  await reader.read();
  t.equal(made, 2);
  await reader.cancel();
  t.ok(ended);
});
