import type { Sql, Transaction } from "./connect.ts";
import { storableJson } from "./storable.ts";

/** The audit log names this user for what the transaction changes; without it, nobody: it was a node or a command. */
export async function actAs(tx: Transaction, userId: string): Promise<void> {
  await tx`select set_config('ollamamax.user_id', ${userId}, true)`;
}

/** What a node saw another one do, which no row of a table shows. */
export async function recordEvent(
  sql: Sql,
  event: {
    readonly table: string;
    /** At most ten characters. */
    readonly operation: string;
    readonly details: Readonly<Record<string, unknown>>;
  },
): Promise<void> {
  await sql`
    insert into audit_log (table_name, operation, new_values)
    values (${event.table}, ${event.operation}, ${storableJson(event.details)}::text::jsonb)`;
}
