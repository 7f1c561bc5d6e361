import t from "tap";
import { emptyCatalog, fakeCluster } from "../../../test/fixtures/fake-cluster.ts";
import type { Catalog, CatalogModel, PageRequest } from "../../core/catalog.ts";
import { AppError } from "../../core/errors.ts";
import { createApp } from "../app.ts";

const MODEL: CatalogModel = {
  name: "registry.ollama.ai/library/llama3.2:1b",
  version: "1b",
  sizeBytes: 5,
  digest: "abc",
  contentType: "x",
  description: null,
  tags: ["small"],
  details: { family: "llama" },
  capabilities: ["completion"],
  status: "active",
  replicasWanted: null,
  createdBy: null,
  createdAt: "2026-11-23T10:00:00.000Z",
  updatedAt: null,
  accessedAt: null,
};

function asked(models: Catalog["models"]) {
  const cluster = fakeCluster({ catalog: { ...emptyCatalog, models } });
  const app = createApp(cluster, () => false);
  const get = async (query: string) => {
    const response = await app.request(`/api/cluster/models${query}`);
    const body = (await response.json()) as Record<string, unknown>;
    return { status: response.status, headers: response.headers, body };
  };
  return { get, log: cluster.log };
}

t.test("parameters become a filter and a page", async (t) => {
  const seen: [object, PageRequest][] = [];
  const { get } = asked(async (filter, page) => {
    seen.push([filter, page]);
    return { items: [MODEL], next: "more" };
  });
  const { body } = await get(
    "?name=llama*&search=a+b&tag=x&tag=y%26z&status=active&limit=7&cursor=c",
  );
  t.match(body, {
    models: [
      { name: "llama3.2:1b", reference: MODEL.name, size: 5, tags: ["small"], description: null },
    ],
    next: "more",
  });
  await get("");
  await get("?name=&tag=&limit=&cursor=");
  const none = { tags: undefined };
  t.same(seen, [
    [
      { name: "llama*", search: "a b", tags: ["x", "y&z"], status: "active" },
      { limit: 7, cursor: "c" },
    ],
    [none, { limit: 50 }],
    [none, { limit: 50 }],
  ]);
});

t.test("the last page says that there is no other", async (t) => {
  const { get } = asked(async () => ({ items: [], next: undefined }));
  t.same((await get("")).body, { models: [], next: null });
});

t.test("what a client got wrong is a 400 that names it", async (t) => {
  const { get } = asked(emptyCatalog.models);
  const rows: readonly [query: string, message: RegExp][] = [
    ["?nam=x", /^nam is not known here: use name, search, tag, status, limit, cursor$/],
    ["?%3Cscript%3E=x", /^a parameter is not known here/],
    ["?name=a&name=b", /^name may be given once$/],
    ["?status=gone", /^status must be active, deprecated or deleted$/],
    ["?status=active%00", /^status must be/],
    ["?limit=0", /^limit must be from 1 to 200$/],
    ["?limit=201", /^limit/],
    ["?limit=1e2", /^limit/],
    ["?limit=-1", /^limit/],
    ["?limit=99999999999999999999", /^limit/],
    [`?name=${"x".repeat(501)}`, /^name must have 500 characters at most$/],
    [`?tag=${"x".repeat(501)}`, /^tag must have 500/],
    [`?${"tag=x&".repeat(21)}`, /^tag may be given 20 times at most$/],
  ];
  for (const [query, message] of rows) {
    const { status, body } = await get(query);
    t.match({ status, ...body }, { status: 400, code: "FILTER_INVALID", error: message }, query);
  }
});

t.test(
  "a database that is away is a 503 with its code, and nothing about where it is",
  async (t) => {
    const { get, log } = asked(async () => {
      throw new AppError("DB_UNREACHABLE", "cannot reach the database at db.internal:5432");
    });
    const { status, headers, body } = await get("");
    t.equal(status, 503);
    t.equal(headers.get("retry-after"), "5");
    t.match(body, { code: "DB_UNREACHABLE", error: /cannot be asked now/ });
    t.notMatch(JSON.stringify(body), /internal/);
    t.match(log.lines, [{ level: "warn", problem: /db\.internal/ }]);
  },
);

t.test("what nobody expected is a 500 without a word of it", async (t) => {
  const { get } = asked(async () => {
    throw new TypeError("select * from secrets");
  });
  t.match(await get(""), { status: 500, body: { error: "internal server error" } });
});
