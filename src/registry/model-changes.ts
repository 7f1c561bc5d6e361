import type { Sql } from "./connect.ts";

/** Longer than any transaction on models lasts: one that began before others, and ended after them, is seen all the same. */
const RECENT_SECONDS = 60;
const CHANGES_MAX = 1_000;

/**
 * What has changed of models in the last minute, by the ids of the audit log's rows, of which a trigger writes one within
 * each change: whoever made it, with whatever program, it shows as soon as it is committed.
 */
export async function recentModelChanges(sql: Sql): Promise<readonly string[]> {
  const rows = await sql<{ id: string }[]>`
    select id from audit_log
    where table_name = 'models' and "timestamp" > now() - ${RECENT_SECONDS} * interval '1 second'
    order by "timestamp" desc limit ${CHANGES_MAX}`;
  return rows.map(({ id }) => id);
}
