import type { Redis } from "ioredis";
import t from "tap";
import { KEY, NUMBERS, TestNode, WAITING } from "../../test/fixtures/caches.ts";
import { Door } from "../../test/fixtures/door.ts";
import { NO_REDIS, RedisServer } from "../../test/fixtures/redis.ts";
import { until } from "../../test/fixtures/until.ts";
import { VALUE_BYTES_MAX } from "./options.ts";

t.test("entries in Redis", { skip: NO_REDIS }, async (t) => {
  const server = await RedisServer.open(t);

  async function keysOf(redis: Redis): Promise<string[]> {
    return (await redis.keys("*")).filter((key) => !key.endsWith(":probe"));
  }

  /** Nobody waits for what is kept; another node would make it meanwhile. */
  async function entryIn(redis: Redis): Promise<string> {
    let entries: string[] = [];
    await until(async () => {
      entries = (await keysOf(redis)).filter((key) => /:numbers:.*:/.test(key));
      return entries.length > 0;
    });
    return entries[0] ?? "";
  }

  t.beforeEach(async () => {
    using admin = server.connect();
    await admin.redis.flushall();
  });

  t.test("what one node made the others find", async (t) => {
    const [one, two] = [
      await TestNode.open(t, server.options),
      await TestNode.open(t, server.options),
    ];
    using admin = server.connect();
    t.equal(await one.get(1), 1);
    await entryIn(admin.redis);
    t.equal(await two.get(2), 1);
    t.equal(await two.metric('ollamamax_cache_lookups_total{kind="numbers",outcome="redis"}'), 1);
    t.equal(await one.metric('ollamamax_cache_lookups_total{kind="numbers",outcome="miss"}'), 1);
    t.equal(await one.get(3), 1);
    t.equal(await one.metric('ollamamax_cache_lookups_total{kind="numbers",outcome="local"}'), 1);
    t.equal(await one.metric("ollamamax_cache_entries"), 1);
    t.ok((await one.metric("ollamamax_cache_bytes")) > 0);
    const read = 'ollamamax_cache_command_seconds_count{command="read",outcome="ok"}';
    t.ok((await two.metric(read)) >= 1);
  });

  t.test("keys are named, short, and end by themselves, not all at once", async (t) => {
    const node = await TestNode.open(t, server.options);
    using admin = server.connect();
    const scopes = Array.from({ length: 20 }, (_, index) => `${index}${"x".repeat(10_000)}`);
    for (const scope of scopes) await node.get(1, { scope, id: scope });
    await until(async () => (await keysOf(admin.redis)).length === 2 * scopes.length + 1);
    const ends = new Set<number>();
    for (const key of await keysOf(admin.redis)) {
      t.match(key, /^ollamamax:[0-9a-f]{12}:(token|(token:)?numbers:[\w-]{22}(:[\w-]{22})?)$/);
      const [leftMs, isToken] = [await admin.redis.pttl(key), key.includes("token")];
      t.ok(leftMs > 0, key);
      if (isToken) continue;
      ends.add(Math.round(leftMs / 100));
      t.ok(leftMs <= 1.1 * NUMBERS.ttlMs, `${leftMs} ms left`);
    }
    t.ok(ends.size > 5, "jitter");
  });

  t.test("a change on one node is told to the others", async (t) => {
    const [one, two] = [
      await TestNode.open(t, server.options),
      await TestNode.open(t, server.options),
    ];
    using admin = server.connect();
    await one.get(1);
    const key = await entryIn(admin.redis);
    t.equal(await two.get(0), 1);
    await one.cache.invalidate(NUMBERS, KEY.scope);
    // Time stands still on both: only the message makes the second give up its copy.
    await until(async () => (await two.get(2)) === 2);
    await until(async () => JSON.parse((await admin.redis.get(key)) ?? "{}").value === 2);
    t.equal(await one.get(3), 2, "and what is made then is everybody's");
  });

  t.test("what a node made from the state before a change is given to nobody", async (t) => {
    const [one, two] = [
      await TestNode.open(t, server.options),
      await TestNode.open(t, server.options),
    ];
    const called = Promise.withResolvers<void>();
    const old = Promise.withResolvers<number>();
    const make = (): Promise<number> => {
      called.resolve();
      return old.promise;
    };
    const making = one.cache.wrap(NUMBERS, KEY, make, WAITING);
    await called.promise;
    await two.cache.invalidate(NUMBERS, KEY.scope);
    old.resolve(1);
    t.equal(await making, 1, "who asked before gets it");
    using admin = server.connect();
    await entryIn(admin.redis);
    one.forgetCopies();
    t.equal(await two.get(2), 2);
    t.not(await one.get(2), 1);
  });

  t.test("a Redis that was flushed has lost no change", async (t) => {
    const [one, two] = [
      await TestNode.open(t, server.options),
      await TestNode.open(t, server.options),
    ];
    await one.get(1);
    using admin = server.connect();
    await admin.redis.flushall();
    one.forgetCopies();
    t.equal(await one.get(2), 2);
    await entryIn(admin.redis);
    t.equal(await two.get(0), 2);
    await two.cache.invalidate(NUMBERS, KEY.scope);
    await until(async () => (await one.get(3)) === 3);
  });

  t.test("what is no entry counts as missing, and is replaced", async (t) => {
    const node = await TestNode.open(t, server.options);
    using admin = server.connect();
    await node.get(1);
    const key = await entryIn(admin.redis);
    const entry = JSON.parse((await admin.redis.get(key)) ?? "{}");
    t.match(entry, { version: 1, token: /^\w+\.\w+$/, value: 1 });
    const junk = ["", "x", "null", "[]", "7", '"text"', "{}", '{"version":1,"value":7}'].concat(
      JSON.stringify({ ...entry, version: 2, value: 7 }),
      JSON.stringify({ ...entry, token: "other", value: 7 }),
      JSON.stringify({ ...entry, value: "7" }),
    );
    for (const [index, text] of junk.entries()) {
      await admin.redis.set(key, text);
      node.forgetCopies();
      t.equal(await node.get(100 + index), 100 + index, text);
      await until(async () => (await admin.redis.get(key)) !== text);
    }
    t.equal(node.cache.redis?.reachable, true, "and speaks not against Redis");
  });

  t.test("a large value is made each time", async (t) => {
    const node = await TestNode.open(t, server.options);
    const texts = {
      ...NUMBERS,
      parse: (json: unknown) => (typeof json === "string" ? json : undefined),
    };
    const get = (text: string): Promise<string> =>
      node.cache.wrap(texts, KEY, async () => text, WAITING);
    t.equal(await get("a".repeat(VALUE_BYTES_MAX)), "a".repeat(VALUE_BYTES_MAX));
    t.equal(await get("b".repeat(VALUE_BYTES_MAX - 200)), "b".repeat(VALUE_BYTES_MAX - 200));
    t.match(await get("c"), /^b/);
    t.ok((await node.metric("ollamamax_cache_bytes")) <= VALUE_BYTES_MAX);
  });

  t.test("a change that could not be told outdates everything once it can", async (t) => {
    await using door = await Door.open(server.port);
    const far = { ...server.options, port: door.port, answerTimeoutMs: 50 };
    const [one, two] = [await TestNode.open(t, far), await TestNode.open(t, server.options)];
    t.equal(await two.get(1), 1);
    door.silence();
    await one.cache.invalidate(NUMBERS, KEY.scope);
    await one.disconnected();
    t.equal(await one.get(2), 2, "the node itself goes on with the new");
    t.equal(await two.get(2), 1, "the other one knows nothing");
    door.endSilence();
    await until(async () => (await two.get(3)) === 3);
    t.pass();
  });

  t.test("messages that are none harm nobody", async (t) => {
    const node = await TestNode.open(t, server.options);
    using admin = server.connect();
    t.equal(await node.get(1), 1);
    for (const text of ["", "x".repeat(1_000_000), "numbers:", "\u0000", "{}"]) {
      t.equal(await admin.redis.publish("ollamamax:changes", text), 1);
    }
    t.equal(await node.get(2), 1);
    await admin.redis.publish("ollamamax:changes", "everything");
    await admin.redis.flushall();
    await until(async () => (await node.get(3)) === 3);
    t.pass();
  });
});
