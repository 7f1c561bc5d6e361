import t, { type Test } from "tap";
import { TestNode, WAITING } from "../../test/fixtures/caches.ts";
import { ManualClock } from "../../test/fixtures/manual-clock.ts";
import { NO_REDIS, RedisServer } from "../../test/fixtures/redis.ts";
import { until } from "../../test/fixtures/until.ts";
import { silentLog } from "../core/log.ts";
import { followModelChanges } from "./follow-model-changes.ts";

const POLL_MS = 500;

/** Looks at the changes when the test says so. */
function follower(t: Pick<Test, "teardown">, recent: () => Promise<readonly string[]>) {
  const clock = new ManualClock();
  const told: string[] = [];
  let looks = 0;
  const following = followModelChanges(
    {
      ready: () => true,
      recent: async () => {
        looks++;
        return await recent();
      },
    },
    {
      wrap: (_kind, _key, make, o) => make(o),
      invalidate: async ({ name }) => void told.push(name),
    },
    { clock, log: silentLog },
  );
  t.teardown(() => following[Symbol.asyncDispose]());
  const look = async (): Promise<void> => {
    const before = looks;
    await until(() => clock.sleeping > 0);
    await clock.advance(POLL_MS);
    await until(() => looks > before && clock.sleeping > 0);
  };
  return { told, look };
}

t.test(
  "each change is told once, in whatever order they show, and failures are passed over",
  async (t) => {
    let recent: readonly string[] | Error = [];
    const { told, look } = follower(t, async () => {
      if (recent instanceof Error) throw recent;
      return recent;
    });
    const rows: readonly (readonly [
      what: string,
      recent: readonly string[] | Error,
      told: number,
    ])[] = [
      ["nothing", [], 0],
      ["a change", ["b"], 1],
      ["the same", ["b"], 1],
      ["the database away", new Error("away"), 1],
      ["one that began before and ended after", ["b", "a"], 2],
      ["the first too old to be looked at", ["a"], 2],
      ["two at once", ["d", "c", "a"], 3],
      ["all too old", [], 3],
    ];
    for (const [what, seen, count] of rows) {
      recent = seen;
      await look();
      t.equal(told.length, count, what);
    }
    t.same([...new Set(told)], ["models"]);
  },
);

t.test("who cannot reach Redis is seen by those who can", { skip: NO_REDIS }, async (t) => {
  const redis = await RedisServer.open(t);
  const [one, other] = [
    await TestNode.open(t, redis.options),
    await TestNode.open(t, redis.options),
  ];
  const kind = {
    name: "models",
    version: 1,
    ttlMs: 60_000,
    parse: (json: unknown) => json as number,
  };
  let stored = 1;
  const read = (node: TestNode) =>
    node.cache.wrap(kind, { scope: "", id: "page" }, async () => stored, WAITING);
  t.same([await read(one), await read(other)], [1, 1]);
  const clock = new ManualClock();
  let recent: readonly string[] = [];
  const changes = { ready: () => true, recent: async () => recent };
  const following = followModelChanges(changes, one.cache, { clock, log: silentLog });
  t.teardown(() => following[Symbol.asyncDispose]());
  stored = 2;
  t.same([await read(one), await read(other)], [1, 1], "nobody was told");
  recent = ["changed"];
  await until(() => clock.sleeping > 0);
  await clock.advance(POLL_MS);
  await until(async () => (await read(one)) === 2 && (await read(other)) === 2);
  t.pass("the node that looked told both");
});
