import { createApp } from "../../src/api/app.ts";
import { RegistryCatalog } from "../../src/registry/registry-catalog.ts";
import { fakeCluster } from "../fixtures/fake-cluster.ts";
import { onEachPostgres, openRegistry } from "../fixtures/postgres.ts";

const LISTS: Readonly<Record<string, readonly string[]>> = {
  models: ["name", "search", "tag", "status"],
  requests: ["model", "node", "request_id", "status", "strategy"],
  audit: ["table", "operation"],
  "registry/nodes": ["name", "region", "zone", "status"],
  "registry/replicas": ["model", "node", "status"],
};
const HOSTILE = [
  ...[
    "'",
    '"',
    "\\",
    "%",
    "_",
    "*",
    "\0",
    "😀",
    "'; drop table models; --",
    "a & | ! <-> :*",
    "$[*]",
    "\ud83d",
  ],
  "x".repeat(500),
  "*".repeat(500),
  "漢".repeat(500),
  `${"a ".repeat(249)}a`,
];

onEachPostgres((t, server) => {
  t.test("the lists over HTTP, on a real database", async (t) => {
    await using registry = await openRegistry(await server.database());
    const catalog = new RegistryCatalog(registry);
    const app = createApp(fakeCluster({ catalog }), () => false);
    const get = async (path: string) => {
      const response = await app.request(`/api/cluster/${path}`);
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    };
    for (let number = 0; number < 5; number++) {
      await registry.sql`
        insert into models (name, version, size, hash, tags, description, parameters)
        values (${`registry.ollama.ai/library/llama3.${number}:1b`}, '1b', 1, 'h', '["small"]', 'Quick and small',
          '{"attributes": {"password": "hunter2"}}')`;
    }
    await registry.sql`
      insert into audit_log (table_name, operation, new_values)
      values ('users', 'INSERT', '{"username": "ann", "password_hash": "hunter2"}')`;

    await t.test("page after page", async (t) => {
      const names: unknown[] = [];
      let next: unknown = "";
      for (let pages = 0; next !== null; pages++) {
        const { status, body } = await get(
          `models?search=llama3+quick&tag=small&limit=2&cursor=${next}`,
        );
        t.equal(status, 200);
        names.push(...(body["models"] as { name: string }[]).map(({ name }) => name));
        next = body["next"];
        if (pages > 5) throw new Error("there is no end");
      }
      t.same(
        names,
        [0, 1, 2, 3, 4].map((number) => `llama3.${number}:1b`),
      );
    });

    await t.test("no text is more than a text", async (t) => {
      for (const [list, filters] of Object.entries(LISTS)) {
        for (const filter of filters) {
          for (const text of HOSTILE) {
            const { status, body } = await get(
              `${list}?${filter}=${encodeURIComponent(text.toWellFormed())}`,
            );
            const enumerated = filter === "status" || filter === "strategy";
            t.equal(
              status,
              enumerated ? 400 : 200,
              `${list} ${filter}=${JSON.stringify(text.slice(0, 40))}: ${body["error"]}`,
            );
          }
        }
      }
      t.equal((await registry.sql`select from models`).length, 5);
    });

    await t.test("a cursor that was changed, or is another list's, is a 400", async (t) => {
      const { body } = await get("models?limit=1");
      const cursor = String(body["next"]);
      t.equal((await get(`models?limit=1&cursor=${cursor}`)).status, 200);
      const refused = { status: 400, body: { code: "CURSOR_INVALID", error: /begin again/ } };
      for (const path of [
        `models?cursor=${cursor.slice(0, -1)}`,
        `models?cursor=${cursor}x`,
        `models?name=other&cursor=${cursor}`,
        ...Object.keys(LISTS)
          .slice(1)
          .map((list) => `${list}?cursor=${cursor}`),
      ]) {
        t.match(await get(path), refused, path);
      }
    });

    await t.test("no secret is shown", async (t) => {
      for (const list of Object.keys(LISTS)) {
        const { status, body } = await get(list);
        t.equal(status, 200);
        t.notMatch(JSON.stringify(body), /hunter2/, list);
      }
      t.match((await get("audit?table=users")).body, {
        changes: [{ after: { username: "ann", password_hash: "[secret]" } }],
      });
    });

    await t.test("the database goes and comes back", async (t) => {
      await server.stop();
      for (const list of Object.keys(LISTS)) {
        const { status, body } = await get(list);
        t.match({ status, body }, { status: 503, body: { code: "DB_UNREACHABLE" } }, list);
      }
      await server.start();
      t.equal((await get("models")).status, 200);
    });
  });
});
