import { onEachPostgres, openPool, openRegistry } from "../../test/fixtures/postgres.ts";
import { KEYS_MAX } from "../core/auth.ts";
import { createKey, listKeys, markKeysUsed, type NewKey, readKeys, revokeKey } from "./api-keys.ts";
import type { Sql } from "./connect.ts";
import { RegistryKeys } from "./registry-keys.ts";

const NO_ID = "00000000-0000-4000-8000-000000000001";
const DAY_MS = 86_400_000;
let made = 0;

function newKey(changes: Partial<NewKey> = {}): NewKey {
  const number = String(++made);
  return {
    name: "laptop",
    user: "Ann",
    role: "user",
    prefix: number.padStart(16, "0"),
    hash: number.padStart(64, "0"),
    expiresInMs: undefined,
    actor: undefined,
    ...changes,
  };
}

async function changesOf(sql: Sql, table: string): Promise<readonly unknown[]> {
  return await sql`
    select operation, new_values, user_id from audit_log where table_name = ${table} order by "timestamp"`;
}

onEachPostgres((t, server) => {
  t.test("a key and its user are made together", async (t) => {
    await using pool = openPool(await server.database());
    const { sql } = pool;
    const key = newKey({ role: "operator", expiresInMs: DAY_MS });
    const made = await createKey(sql, key);
    t.match(made, {
      ...{ prefix: key.prefix, name: "laptop", user: "Ann", role: "operator", state: "valid" },
      lastUsed: null,
    });
    const lives = Date.parse(made.expiresAt ?? "") - Date.parse(made.createdAt);
    t.equal(lives, DAY_MS);
    t.match(await sql`select username, password_hash, to_json(roles) as roles, active from users`, [
      { username: "Ann", password_hash: "!", roles: ["operator"], active: true },
    ]);
    const second = await createKey(sql, newKey({ user: "ANN", role: "admin", name: "phone" }));
    t.match(second, { user: "Ann", role: "admin", expiresAt: null });
    t.match(
      await sql`select to_json(roles) as roles from users`,
      [{ roles: ["operator"] }],
      "the user stays as it is",
    );
    t.same(
      (await listKeys(sql)).map(({ name }) => name),
      ["phone", "laptop"],
    );
    t.notMatch(JSON.stringify(await listKeys(sql)), key.hash);
  });

  t.test("who it was is in the audit log", async (t) => {
    await using pool = openPool(await server.database());
    const { sql } = pool;
    await createKey(sql, newKey({ user: "root", role: "admin" }));
    const [root] = await sql<{ id: string }[]>`select id from users`;
    await sql`delete from audit_log`;
    const { id } = await createKey(sql, newKey({ user: "bob", actor: "ROOT" }));
    await revokeKey(sql, { key: id, actor: "root" });
    t.match(await changesOf(sql, "users"), [{ operation: "INSERT", user_id: root?.id }]);
    t.match(await changesOf(sql, "api_keys"), [
      { operation: "INSERT", new_values: { key_hash: "[secret]" }, user_id: root?.id },
      { operation: "UPDATE", new_values: { id }, user_id: root?.id },
    ]);
    const nobody = { code: "USER_UNKNOWN", message: /there is no user eve/ };
    await t.rejects(createKey(sql, newKey({ user: "carl", actor: "eve" })), nobody);
    await t.rejects(revokeKey(sql, { key: id, actor: "eve" }), nobody);
    t.equal((await listKeys(sql)).length, 2, "nothing was done");
    t.match(await sql`select count(*)::int from users`, [{ count: 2 }]);
  });

  t.test("a user who is not active gets no key, and has none", async (t) => {
    await using pool = openPool(await server.database());
    const { sql } = pool;
    await createKey(sql, newKey());
    await sql`update users set active = false`;
    await t.rejects(createKey(sql, newKey()), { code: "USER_INACTIVE", message: /not active/ });
    t.match(await readKeys(sql), [{ revoked: true }]);
    t.match(await listKeys(sql), [{ state: "revoked" }]);
  });

  t.test("a key is revoked by its id or its prefix, once", async (t) => {
    await using pool = openPool(await server.database());
    const { sql } = pool;
    const [a, b] = [await createKey(sql, newKey()), await createKey(sql, newKey())];
    t.match(await revokeKey(sql, { key: a.id, actor: undefined }), {
      ...{ id: a.id, state: "revoked", wasRevoked: false },
    });
    t.match(await revokeKey(sql, { key: b.prefix, actor: undefined }), { id: b.id });
    const [before] = await sql`select revoked_at from api_keys where id = ${a.id}`;
    t.match(await revokeKey(sql, { key: a.prefix, actor: undefined }), { wasRevoked: true });
    t.same(await sql`select revoked_at from api_keys where id = ${a.id}`, [before]);
    for (const key of [NO_ID, "0", "", "'; drop table api_keys; --", a.id.slice(1)]) {
      await t.rejects(
        revokeKey(sql, { key, actor: undefined }),
        { code: "KEY_UNKNOWN" },
        JSON.stringify(key),
      );
    }
    const twins = newKey();
    const twin = await createKey(sql, twins);
    await createKey(sql, { ...newKey(), prefix: twins.prefix });
    const ambiguous = revokeKey(sql, { key: twins.prefix, actor: undefined });
    await t.rejects(ambiguous, { code: "KEY_AMBIGUOUS", message: /by its id/ });
    t.match(await revokeKey(sql, { key: twin.id, actor: undefined }), { state: "revoked" });
  });

  t.test("what a node reads: valid, ended and endless keys", async (t) => {
    await using registry = await openRegistry(await server.database());
    const { sql } = registry;
    const source = new RegistryKeys(registry);
    const o = { signal: new AbortController().signal };
    t.same(await source.keys(o), []);
    const rows: readonly [expires: string | null, state: string, inMs: number][] = [
      [null, "valid", Number.POSITIVE_INFINITY],
      ["infinity", "valid", Number.POSITIVE_INFINITY],
      ["-infinity", "expired", 0],
      ["2020-01-01", "expired", 0],
    ];
    for (const [expires, state, expiresInMs] of rows) {
      const key = newKey({ role: "readonly" });
      const { id } = await createKey(sql, key);
      await sql`update api_keys set expires_at = ${expires}::text::timestamptz where id = ${id}`;
      const record = (await source.keys(o)).find(({ keyId }) => keyId === id);
      t.match(record, { role: "readonly", hash: key.hash, revoked: false, expiresInMs }, state);
      const listed = (await listKeys(sql)).find((listed) => listed.id === id);
      t.equal(listed?.state, state, String(expires));
    }
    const soon = await createKey(sql, newKey({ expiresInMs: DAY_MS }));
    const { expiresInMs = 0 } = (await source.keys(o)).find(({ keyId }) => keyId === soon.id) ?? {};
    t.ok(expiresInMs > DAY_MS - 60_000 && expiresInMs <= DAY_MS, String(expiresInMs));
    t.same(
      (await source.keys(o)).map(({ expiresInMs }) => expiresInMs > 0),
      [true, true, true, false, false],
      "the valid ones first",
    );
  });

  t.test("a role that this version does not know is no key", async (t) => {
    await using pool = openPool(await server.database());
    const { sql } = pool;
    await createKey(sql, newKey());
    await sql`alter table api_keys drop constraint api_keys_role_check`;
    await sql`update api_keys set role = 'auditor'`;
    t.same(await readKeys(sql), []);
  });

  t.test("a use is written once a minute, and is no change for the audit log", async (t) => {
    await using pool = openPool(await server.database());
    const { sql } = pool;
    const { id } = await createKey(sql, newKey());
    await sql`delete from audit_log`;
    const lastUsed = async () => (await listKeys(sql))[0]?.lastUsed ?? "";
    await markKeysUsed(sql, [id, NO_ID, "no id"]);
    const first = await lastUsed();
    t.ok(first);
    await markKeysUsed(sql, [id]);
    t.equal(await lastUsed(), first);
    await sql`update api_keys set last_used = now() - interval '61 seconds'`;
    const before = await lastUsed();
    await markKeysUsed(sql, [id]);
    t.ok((await lastUsed()) > before);
    await markKeysUsed(sql, []);
    t.same(await changesOf(sql, "api_keys"), []);
  });

  t.test("there are no more valid keys than every node can keep", async (t) => {
    await using pool = openPool(await server.database());
    const { sql } = pool;
    const first = await createKey(sql, newKey());
    await sql`
      insert into api_keys (user_id, name, key_hash, prefix, created_at)
      select users.id, 'k', 'h' || number, number, now() + interval '1 hour'
      from users, generate_series(2, ${KEYS_MAX}) as number`;
    await t.rejects(createKey(sql, newKey()), { code: "KEYS_FULL", message: /10000 is the most/ });
    t.equal((await readKeys(sql)).length, KEYS_MAX);
    await revokeKey(sql, { key: first.id, actor: undefined });
    await createKey(sql, newKey());
    const read = await readKeys(sql);
    t.same([read.length, read.filter(({ revoked }) => revoked).length], [KEYS_MAX, 0]);
  });
});
