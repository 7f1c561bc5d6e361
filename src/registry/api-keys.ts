import { KEYS_MAX, type KeyRecord, ROLES, type Role } from "../core/auth.ts";
import { AppError } from "../core/errors.ts";
import { actAs } from "./audit.ts";
import { type Sql, type Transaction, transaction } from "./connect.ts";
import { isoTime } from "./pages/page.ts";
import { storable } from "./storable.ts";

/** Each message is one sentence with the cause and the next step. */
export class KeyError extends AppError<
  "KEY_UNKNOWN" | "KEY_AMBIGUOUS" | "KEYS_FULL" | "USER_UNKNOWN" | "USER_INACTIVE"
> {}

export interface NewKey {
  readonly name: string;
  /** Made when there is none of this name, in whatever casing. */
  readonly user: string;
  readonly role: Role;
  readonly prefix: string;
  readonly hash: string;
  /** By the database's clock; undefined: it never expires. */
  readonly expiresInMs: number | undefined;
  /** The user whom the audit log names for it. */
  readonly actor: string | undefined;
}

/** A key as people see it. */
export interface ListedKey {
  readonly id: string;
  readonly prefix: string;
  readonly name: string;
  readonly user: string;
  readonly role: string;
  readonly state: "valid" | "expired" | "revoked";
  readonly createdAt: string;
  /** Null: never. */
  readonly expiresAt: string | null;
  /** To about a minute. */
  readonly lastUsed: string | null;
}

export interface RevokedKey extends ListedKey {
  /** It was before, and stays as it is. */
  readonly wasRevoked: boolean;
}

const NAME_LENGTH_MAX = 255;
/** As in /etc/shadow: no hash function gives it, so no password fits. */
const NO_PASSWORD = "!";
const USE_INTERVAL = "1 minute";

/** A key, and its user when that is a new one, in one transaction. */
export async function createKey(sql: Sql, key: NewKey): Promise<ListedKey> {
  return await transaction(sql, async (tx) => {
    await actForUser(tx, key.actor);
    await requireRoom(tx);
    const userId = await userOf(tx, key.user, key.role);
    const [row] = await tx<{ id: string }[]>`
      insert into api_keys (user_id, name, key_hash, prefix, role, expires_at)
      values (${userId}, ${storable(key.name, NAME_LENGTH_MAX)}, ${key.hash}, ${key.prefix}, ${key.role},
        now() + ${key.expiresInMs ?? null}::double precision * interval '1 millisecond')
      returning id`;
    const listed = (await selectListed(tx, row?.id)).at(0);
    if (!listed) throw new Error("a key that was inserted is not there");
    return listed;
  });
}

/** The latest first. */
export async function listKeys(sql: Sql): Promise<readonly ListedKey[]> {
  return await selectListed(sql, undefined);
}

/** By id or prefix. */
export async function revokeKey(
  sql: Sql,
  { key, actor }: { readonly key: string; readonly actor: string | undefined },
): Promise<RevokedKey> {
  return await transaction(sql, async (tx) => {
    await actForUser(tx, actor);
    const found = await tx<{ id: string; revoked: boolean }[]>`
      select id, revoked_at is not null as revoked from api_keys where id::text = ${key} or prefix = ${key}
      limit 2 for update`;
    const [row] = found;
    if (!row) throw new KeyError("KEY_UNKNOWN", `there is no key ${key}: see ollamamax key list`);
    if (found.length > 1) {
      throw new KeyError(
        "KEY_AMBIGUOUS",
        `several keys have the prefix ${key}: name one by its id`,
      );
    }
    if (!row.revoked) await tx`update api_keys set revoked_at = now() where id = ${row.id}`;
    const listed = (await selectListed(tx, row.id)).at(0);
    if (!listed) throw new Error("a key that was locked is not there");
    return { ...listed, wasRevoked: row.revoked };
  });
}

/** What a node needs to tell keys apart: the valid ones first, and those that ended while they are kept. */
export async function readKeys(sql: Sql): Promise<readonly KeyRecord[]> {
  const rows = await sql<
    {
      id: string;
      user_id: string;
      role: string;
      key_hash: string;
      revoked: boolean;
      expires_in_ms: number | null;
    }[]
  >`
    select api_keys.id, user_id, role, key_hash, revoked_at is not null or not active as revoked,
      case when expires_at is null or expires_at = 'infinity' then null
        when expires_at <= now() then 0
        else (extract(epoch from expires_at - now()) * 1000)::double precision end as expires_in_ms
    from api_keys join users on users.id = user_id
    order by revoked_at is null and active and coalesce(expires_at > now(), true) desc, api_keys.created_at desc
    limit ${KEYS_MAX}`;
  return rows.flatMap(({ id, user_id, key_hash, expires_in_ms, ...row }) => {
    const role = ROLES.find((known) => known === row.role);
    if (!role) return [];
    const expiresInMs = expires_in_ms ?? Number.POSITIVE_INFINITY;
    return [
      { keyId: id, userId: user_id, role, hash: key_hash, revoked: row.revoked, expiresInMs },
    ];
  });
}

/** Once a minute a key, however many nodes it is used at: rows that another node writes now are left to it. */
export async function markKeysUsed(sql: Sql, keyIds: readonly string[]): Promise<void> {
  await sql`
    update api_keys set last_used = now() where id in (
      select id from api_keys
      where id::text in (select jsonb_array_elements_text(${sql.json([...keyIds])}))
        and coalesce(last_used < now() - ${USE_INTERVAL}::interval, true)
      for update skip locked)`;
}

async function actForUser(tx: Transaction, actor: string | undefined): Promise<void> {
  if (actor === undefined) return;
  const [row] = await tx<{ id: string }[]>`
    select id from users where lower(username) = lower(${storable(actor)})`;
  if (!row) {
    throw new KeyError(
      "USER_UNKNOWN",
      `there is no user ${actor}: --as takes a user of ollamamax key list`,
    );
  }
  await actAs(tx, row.id);
}

async function requireRoom(tx: Transaction): Promise<void> {
  const [row] = await tx<{ count: number }[]>`
    select count(*)::int as count from api_keys
    where revoked_at is null and coalesce(expires_at > now(), true)`;
  if (!row || row.count < KEYS_MAX) return;
  throw new KeyError(
    "KEYS_FULL",
    `there are ${row.count} valid keys, and ${KEYS_MAX} is the most: revoke some that nobody uses`,
  );
}

/** An existing user's roles stay as they are: a key's role is its own. */
async function userOf(tx: Transaction, name: string, role: Role): Promise<string> {
  const username = storable(name, NAME_LENGTH_MAX);
  await tx`
    insert into users (username, password_hash, roles) values (${username}, ${NO_PASSWORD}, array[${role}])
    on conflict do nothing`;
  const [row] = await tx<{ id: string; active: boolean }[]>`
    select id, active from users where lower(username) = lower(${username})`;
  if (!row) throw new Error("a user who was inserted is not there");
  if (row.active) return row.id;
  throw new KeyError("USER_INACTIVE", `user ${name} is not active: give the key to another user`);
}

interface ListedRow extends Omit<ListedKey, "createdAt" | "expiresAt" | "lastUsed"> {
  readonly created_at: Date;
  readonly expires_at: Date | null;
  readonly last_used: Date | null;
}

async function selectListed(
  sql: Sql | Transaction,
  id: string | undefined,
): Promise<readonly ListedKey[]> {
  const rows = await sql<ListedRow[]>`
    select api_keys.id, prefix, name, username as user, role, api_keys.created_at, expires_at, last_used,
      case when revoked_at is not null or not active then 'revoked'
        when expires_at <= now() then 'expired' else 'valid' end as state
    from api_keys join users on users.id = user_id
    where ${id ?? null}::uuid is null or api_keys.id = ${id ?? null}::uuid
    order by api_keys.created_at desc, api_keys.id limit ${KEYS_MAX}`;
  return rows.map(({ created_at, expires_at, last_used, ...row }) => ({
    ...row,
    createdAt: isoTime(created_at) ?? "",
    expiresAt: isoTime(expires_at),
    lastUsed: isoTime(last_used),
  }));
}
