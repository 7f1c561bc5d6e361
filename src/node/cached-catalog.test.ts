import t from "tap";
import { TestNode, WAITING } from "../../test/fixtures/caches.ts";
import { HeldClock } from "../../test/fixtures/held-clock.ts";
import { NO_REDIS, RedisServer } from "../../test/fixtures/redis.ts";
import { until } from "../../test/fixtures/until.ts";
import { TieredCache } from "../cache/tiered-cache.ts";
import type { Catalog, CatalogModel, Page } from "../core/catalog.ts";
import { silentLog } from "../core/log.ts";
import { systemRandom } from "../core/random.ts";
import { cachedCatalog, modelsChanged, tellModelsChanged } from "./cached-catalog.ts";
import { loadConfig } from "./config/config.ts";

const MODEL: CatalogModel = {
  ...{ name: "registry.ollama.ai/library/m:latest", version: "latest", sizeBytes: 7 },
  ...{ digest: "d".repeat(64), contentType: "t", description: null, tags: ["a"], details: {} },
  ...{ capabilities: ["completion"], status: "active", replicasWanted: null, createdBy: null },
  ...{ createdAt: "2026-01-01T00:00:00Z", updatedAt: null, accessedAt: null },
};

function counted() {
  const asked: unknown[] = [];
  const page: Page<CatalogModel> = { items: [MODEL], next: undefined };
  const catalog = {
    models: async (...args: unknown[]) => {
      asked.push(args.slice(0, 2));
      return page;
    },
  } as unknown as Catalog;
  return { catalog, asked, page };
}

t.test(
  "a page of models is read once, each filter's for itself, until models change",
  async (t) => {
    await using cache = TieredCache.open(
      {},
      { clock: new HeldClock(), random: systemRandom, log: silentLog },
    );
    const { catalog, asked, page } = counted();
    const cached = cachedCatalog(catalog, cache);
    const rows = [
      [{}, { limit: 10 }],
      [{}, { limit: 11 }],
      [{}, { limit: 10, cursor: "c" }],
      [{ name: "a" }, { limit: 10 }],
      [{ search: "a" }, { limit: 10 }],
      [{ tags: ["a"] }, { limit: 10 }],
      [{ tags: ["a", "b"] }, { limit: 10 }],
      [{ status: "active" }, { limit: 10 }],
    ] as const;
    for (const [filter, request] of rows) {
      t.strictSame(await cached.models(filter, request, WAITING), page);
    }
    t.same(asked, rows);
    await modelsChanged(cache);
    t.strictSame(await cached.models({}, { limit: 10 }, WAITING), page);
    t.equal(asked.length, rows.length + 1);
  },
);

t.test("a command tells the nodes that share a Redis", { skip: NO_REDIS }, async (t) => {
  const server = await RedisServer.open(t);
  const { host, port, password } = server.options;
  const { config } = loadConfig({
    OLLAMA_REDIS_HOST: host,
    OLLAMA_REDIS_PORT: String(port),
    ...(password === undefined ? {} : { OLLAMA_REDIS_PASSWORD: password }),
  });
  const node = await TestNode.open(t, server.options);
  const { catalog, asked } = counted();
  const cached = cachedCatalog(catalog, node.cache);
  const read = () => cached.models({}, { limit: 10 }, WAITING);
  await read();
  await read();
  t.equal(asked.length, 1);
  t.ok(await tellModelsChanged(config));
  await until(async () => {
    await read();
    return asked.length === 2;
  });
});
