import { makeApiKey } from "../auth/api-key.ts";
import type { Role } from "../core/auth.ts";
import { systemClock } from "../core/clock.ts";
import { silentLog } from "../core/log.ts";
import { systemRandom } from "../core/random.ts";
import {
  createKey as insertKey,
  type ListedKey,
  type RevokedKey,
  listKeys as selectKeys,
  revokeKey as updateKey,
} from "../registry/api-keys.ts";
import type { Sql } from "../registry/connect.ts";
import { Registry } from "../registry/registry.ts";
import type { StatementName } from "../registry/statements.ts";
import { openCommandDatabase } from "./command-database.ts";
import type { Config } from "./config/config.ts";

/** What an operator does with keys, in the database; the nodes read it within seconds. */

export type { ListedKey, RevokedKey };

export interface MadeKey extends ListedKey {
  /** Known to nobody else, and not kept. */
  readonly key: string;
}

export interface KeyWish {
  readonly name: string;
  readonly user: string;
  readonly role: Role;
  readonly expiresInMs: number | undefined;
  readonly actor: string | undefined;
}

export async function createKey(config: Config, wish: KeyWish): Promise<MadeKey> {
  const { text, prefix, hash } = makeApiKey();
  const made = await withRegistry(config, "api_key_create", (sql) =>
    insertKey(sql, { ...wish, prefix, hash }),
  );
  return { ...made, key: text };
}

export async function listKeys(config: Config): Promise<readonly ListedKey[]> {
  return await withRegistry(config, "api_keys_list", selectKeys);
}

/** Of a key that somebody found: its prefix is all that is needed, and all that errors may show. */
const PREFIXED = /^(?:omx_)?([0-9a-f]{16})(?:_.*)?$/;

export async function revokeKey(
  config: Config,
  { key, actor }: { readonly key: string; readonly actor: string | undefined },
): Promise<RevokedKey> {
  const named = PREFIXED.exec(key)?.[1] ?? key;
  return await withRegistry(config, "api_key_revoke", (sql) =>
    updateKey(sql, { key: named, actor }),
  );
}

/** The registry, wherever it is; its schema is only checked. */
async function withRegistry<T>(
  config: Config,
  statement: StatementName,
  action: (sql: Sql) => Promise<T>,
): Promise<T> {
  await using place = await openCommandDatabase(config, "refuse");
  await using registry = await Registry.open(
    { ...place.options, migrate: false, whenUnreachable: "fail" },
    { clock: systemClock, random: systemRandom, log: silentLog },
  );
  return await registry.run(statement, action);
}
