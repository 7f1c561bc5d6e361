import { randomBytes } from "node:crypto";
import type { NodeId } from "../core/node-id.ts";
import { type Sql, transaction } from "./connect.ts";

const KEYS = "cluster_keys";
const DENIED = "denied_nodes";
const KEY_BYTES = 32;

/** The keys that admit peers, the current one first (base64url). The first node to ask makes the first key. */
export async function clusterKeys(sql: Sql): Promise<readonly string[]> {
  const fresh = randomBytes(KEY_BYTES).toString("base64url");
  await sql`
    insert into cluster_settings (name, value) values (${KEYS}, ${sql.json([fresh])})
    on conflict (name) do nothing`;
  const [row] = await sql<{ value: string[] }[]>`
    select value from cluster_settings where name = ${KEYS}`;
  return row?.value ?? [fresh];
}

/** Puts a new key in front; the one before stays valid until the next rotation. Returns both. */
export async function rotateClusterKey(sql: Sql): Promise<readonly string[]> {
  const fresh = randomBytes(KEY_BYTES).toString("base64url");
  const [row] = await sql<{ value: string[] }[]>`
    insert into cluster_settings (name, value) values (${KEYS}, ${sql.json([fresh])})
    on conflict (name) do update set value = excluded.value || coalesce(cluster_settings.value -> 0, '[]')
    returning value`;
  return row?.value ?? [fresh];
}

/** Peer ids that are shut out, whatever key they have. */
export async function deniedNodes(sql: Sql): Promise<readonly string[]> {
  const [row] = await sql<{ value: string[] }[]>`
    select value from cluster_settings where name = ${DENIED}`;
  return row?.value ?? [];
}

/**
 * Shuts a node out: its peer id is denied, and the only key that is valid from now on is a new one, so that it cannot come
 * back under another identity either. Connections between other nodes stay; they learn the new key from here.
 */
export async function denyNode(sql: Sql, node: NodeId): Promise<void> {
  const keys = [randomBytes(KEY_BYTES).toString("base64url")];
  await transaction(sql, async (tx) => {
    await tx`
      insert into cluster_settings (name, value) values (${DENIED}, ${tx.json([node])})
      on conflict (name) do update set value = cluster_settings.value || excluded.value
      where not cluster_settings.value @> excluded.value`;
    await tx`
      insert into cluster_settings (name, value) values (${KEYS}, ${tx.json(keys)})
      on conflict (name) do update set value = excluded.value`;
  });
}
