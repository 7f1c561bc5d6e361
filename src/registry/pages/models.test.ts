import fc from "fast-check";
import {
  bytewise,
  given,
  holds,
  is,
  isModelPattern,
  lookedFor,
  maybe,
  modelNames,
  sampleOf,
  stored,
  words,
} from "../../../test/fixtures/hostile-filters.ts";
import { onEachPostgres, openPool } from "../../../test/fixtures/postgres.ts";
import { MODEL_STATUSES, type ModelFilter } from "../../core/catalog.ts";
import { changePage } from "./changes.ts";
import { modelPage } from "./models.ts";
import { nodePage } from "./nodes.ts";
import { replicaPage } from "./replicas.ts";
import { requestPage } from "./requests.ts";

onEachPostgres((t, server) => {
  t.test("models", async (t) => {
    await using pool = openPool(await server.database());
    const prefix = fc.constantFrom(
      "",
      "",
      "registry.ollama.ai/library/",
      "Registry.Ollama.ai/",
      "hf.co/",
    );
    const models = sampleOf(
      fc.record({
        name: fc.tuple(prefix, stored).map((parts) => parts.join("")),
        description: fc.option(stored),
        tags: fc.oneof<fc.Arbitrary<unknown>[]>(
          fc.array(stored, { maxLength: 3 }),
          fc.constantFrom({ a: 1 }, "a", null, [1, ["a"]]),
        ),
        status: fc.constantFrom(...MODEL_STATUSES),
      }),
    ).filter(({ name }, index, all) => all.findIndex((other) => other.name === name) === index);
    for (const { name, description, tags, status } of models) {
      await pool.sql`
        insert into models (name, version, size, hash, description, tags, status)
        values (${name}, 'v', 1, 'h', ${description}, ${JSON.stringify(tags)}::text::jsonb, ${status})`;
    }
    const texts = models.flatMap(({ name, description }) => [
      name,
      ...modelNames(name),
      description,
    ]);
    const allTags = models.flatMap(({ tags }) => (Array.isArray(tags) ? tags : []));
    const tag = lookedFor([...allTags.filter((value) => typeof value === "string"), "a"]);
    const filters = fc
      .record({
        name: maybe(lookedFor(texts)),
        search: maybe(lookedFor(texts)),
        tags: maybe(fc.array(tag, { maxLength: 2 })),
        status: maybe(fc.constantFrom(...MODEL_STATUSES)),
      })
      .map((filter): ModelFilter => given(filter));
    const expected = (filter: ModelFilter): string[] =>
      models
        .filter(({ name, description, tags, status }) => {
          const own = words(`${name} ${description ?? ""}`);
          const search = filter.search ?? "";
          return (
            isModelPattern(filter.name, name) &&
            !/\0|[\ud800-\udbff](?![\udc00-\udfff])/.test(search) &&
            words(search).every((word) => own.some((other) => other.startsWith(word))) &&
            (filter.tags ?? []).every((wanted) => Array.isArray(tags) && tags.includes(wanted)) &&
            is(filter.status, status as (typeof MODEL_STATUSES)[number])
          );
        })
        .map(({ name }) => name)
        .sort(bytewise);
    await holds(modelPage, pool.sql, filters, expected, ({ name }) => name);
    t.pass(`${models.length} models`);
  });

  t.test("limits and cursors that are none", async (t) => {
    await using pool = openPool(await server.database());
    for (const list of [modelPage, nodePage, replicaPage, requestPage, changePage]) {
      for (const limit of [0, -1, 1.5, 201, Number.NaN, Number.POSITIVE_INFINITY]) {
        await t.rejects<unknown>(list(pool.sql, {}, { limit }), {
          code: "FILTER_INVALID",
        });
      }
      for (const cursor of ["", "x", "' or 1=1", "WzFd", "A".repeat(9_000)]) {
        await t.rejects<unknown>(list(pool.sql, {}, { limit: 1, cursor }), {
          code: "CURSOR_INVALID",
        });
      }
    }
  });
});
