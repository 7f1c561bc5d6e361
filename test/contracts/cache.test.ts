import t from "tap";
import { cacheContract } from "../../src/cache/cache.contract.ts";
import { SETTLE_MS } from "../../src/cache/redis-link.ts";
import { TieredCache } from "../../src/cache/tiered-cache.ts";
import { silentLog } from "../../src/core/log.ts";
import { systemRandom } from "../../src/core/random.ts";
import { HeldClock } from "../fixtures/held-clock.ts";
import { NO_REDIS, RedisServer } from "../fixtures/redis.ts";
import { until } from "../fixtures/until.ts";

/** A machine may be busy with other tests. */
const PATIENCE_MS = 30_000;

t.test("in the process's memory", (t) => {
  cacheContract(t, async () => {
    const clock = new HeldClock();
    const cache = TieredCache.open({}, { clock, random: systemRandom, log: silentLog });
    return {
      cache,
      move: (durationMs) => clock.move(durationMs),
      [Symbol.asyncDispose]: () => cache[Symbol.asyncDispose](),
    };
  });
  t.end();
});

t.test("in Redis", { skip: NO_REDIS }, async (t) => {
  const server = await RedisServer.open(t);
  cacheContract(t, async () => {
    using admin = server.connect();
    await admin.redis.flushall();
    const clock = new HeldClock();
    const redis = { ...server.options, answerTimeoutMs: PATIENCE_MS };
    const cache = TieredCache.open({ redis }, { clock, random: systemRandom, log: silentLog });
    await until(() => cache.redis?.reachable ?? false);
    clock.move(SETTLE_MS);
    return {
      cache,
      move: (durationMs) => clock.move(durationMs),
      [Symbol.asyncDispose]: () => cache[Symbol.asyncDispose](),
    };
  });
});
