import type { Cleanup } from "../core/jobs.ts";
import type { ClusterView } from "../core/ports.ts";
import type { Sql } from "./connect.ts";
import type { Database } from "./pool.ts";
import {
  type Removal,
  removeChanges,
  removeKeys,
  removeNodes,
  removeReplicas,
  removeRequests,
  silentNodes,
} from "./retention.ts";
import { decideGone } from "./retention-decisions.ts";
import type { StatementName } from "./statements.ts";

export interface RetentionOptions {
  readonly requestsDays: number;
  readonly auditDays: number;
}

export interface RetentionDeps {
  readonly registry: Database;
  readonly view: Pick<ClusterView, "nodes">;
}

/** As many rows as one statement removes well within its time. */
const ROWS_MAX = 2_000;

export function cleanups(
  { requestsDays, auditDays }: RetentionOptions,
  { registry, view }: RetentionDeps,
): readonly Cleanup[] {
  const cleanup = (
    name: Cleanup["name"],
    remove: (removal: Removal, run: Run) => Promise<number>,
  ): Cleanup => ({
    name,
    rowsMax: ROWS_MAX,
    remove: (fence, o) =>
      remove({ fence, rowsMax: ROWS_MAX }, (statement, action) =>
        registry.run(statement, action, o),
      ),
  });
  return [
    cleanup("requests", (removal, run) =>
      run("requests_clean", (sql) => removeRequests(sql, requestsDays, removal)),
    ),
    cleanup("audit", (removal, run) =>
      run("audit_clean", (sql) => removeChanges(sql, auditDays, removal)),
    ),
    cleanup("nodes", async (removal, run) => {
      const silent = await run("nodes_silent", (sql) => silentNodes(sql, removal.rowsMax));
      const gone = decideGone(silent, view.nodes());
      if (gone.length === 0) return 0;
      return await run("nodes_clean", (sql) => removeNodes(sql, gone, removal));
    }),
    cleanup("replicas", (removal, run) =>
      run("replicas_clean", (sql) => removeReplicas(sql, removal)),
    ),
    cleanup("keys", (removal, run) => run("keys_clean", (sql) => removeKeys(sql, removal))),
  ];
}

type Run = <T>(statement: StatementName, action: (sql: Sql) => Promise<T>) => Promise<T>;
