import type { Transaction } from "./connect.ts";

/** The audit log names this user for what the transaction changes; without it, nobody: it was a node or a command. */
export async function actAs(tx: Transaction, userId: string): Promise<void> {
  await tx`select set_config('ollamamax.user_id', ${userId}, true)`;
}
