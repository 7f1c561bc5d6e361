import { messageOf } from "../core/errors.ts";
import { recordEvent } from "../registry/audit.ts";
import type { Registry } from "../registry/registry.ts";
import type { NodeDeps } from "./deps.ts";

/** Writes into the audit log what this node saw. The log has it too, so nothing is kept for a database that is away. */
export async function recordSeen(
  registry: Pick<Registry, "run">,
  event: Parameters<typeof recordEvent>[1],
  { log, stopping }: Pick<NodeDeps, "log" | "stopping">,
): Promise<void> {
  const { operation } = event;
  try {
    await registry.run("audit_write", (sql) => recordEvent(sql, event), { signal: stopping });
  } catch (error) {
    log.warn({ operation, problem: messageOf(error) }, "an event is not in the audit log");
  }
}
