import t from "tap";
import { fakeCluster } from "../../test/fixtures/fake-cluster.ts";
import { ManualClock } from "../../test/fixtures/manual-clock.ts";
import { createApp } from "./app.ts";
import type { Store } from "./deps.ts";
import { stores } from "./health.ts";

const well: Store = { ping: async () => {} };
const ill = (problem: string): Store => ({
  ping: async () => {
    throw new Error(problem);
  },
});

t.test("the stores, each asked now", async (t) => {
  const rows: readonly [Store, cache: Store | undefined, status: number, body: object][] = [
    [well, well, 200, { status: "healthy", database: "ok", cache: "ok" }],
    [well, undefined, 200, { status: "healthy", database: "ok", cache: "not configured" }],
    [
      ill("no Postgres"),
      undefined,
      503,
      { status: "unhealthy", database: "failed", cache: "not configured", error: "no Postgres" },
    ],
    [
      well,
      ill("no Redis"),
      503,
      { status: "unhealthy", database: "ok", cache: "failed", error: "no Redis" },
    ],
    [
      ill("no Postgres"),
      ill("no Redis"),
      503,
      { status: "unhealthy", database: "failed", cache: "failed", error: "no Postgres; no Redis" },
    ],
  ];
  for (const [database, cache, status, body] of rows) {
    const app = createApp(fakeCluster({ database, cache }), () => true);
    const reply = await app.request("/health/db");
    t.equal(reply.status, status);
    t.strictSame(await reply.json(), { ...body, timestamp: "2026-01-01T00:00:00.000Z" });
    t.equal((await app.request("/health/db", { method: "HEAD" })).status, status);
  }
});

t.test("a store that says nothing has five seconds", async (t) => {
  const clock = new ManualClock();
  const signals: AbortSignal[] = [];
  const silent: Store = {
    ping: ({ signal }) => {
      signals.push(signal);
      return new Promise(() => {});
    },
  };
  let reply: Response | undefined;
  const asking = stores({ database: silent, cache: silent, clock }).then((got) => {
    reply = got;
  });
  await clock.advance(4_999);
  t.equal(reply, undefined);
  await clock.advance(1);
  await asking;
  t.equal(reply?.status, 503);
  t.match(await reply?.json(), {
    database: "failed",
    cache: "failed",
    error: "no answer within 5 s; no answer within 5 s",
  });
  t.strictSame(
    signals.map(({ aborted }) => aborted),
    [true, true],
    "they are told to stop",
  );
});
