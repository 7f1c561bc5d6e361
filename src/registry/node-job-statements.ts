import type { Fence, JobRow, NodeJobStore } from "../core/jobs.ts";
import type { Waiting } from "../core/ports.ts";
import { type Sql, transaction } from "./connect.ts";
import { RegistryError } from "./errors.ts";
import { executeWith, JobStatements } from "./job-statements.ts";
import type { Database } from "./pool.ts";

const ROWS_MAX = 5_000;
/** So long a job that failed is told of. */
const FAILED_FOR = "15 minutes";

/** What nodes' queues need beside the library's own statements. Its tables are those of 0005_jobs.sql. */
export class NodeJobStatements extends JobStatements implements NodeJobStore {
  readonly #database: Database;

  constructor(database: Database) {
    super(database);
    this.#database = database;
  }

  /** The lease's row stays locked until the end, so that nobody begins a term in the middle. */
  async executeFenced(
    { name, token }: Fence,
    text: string,
    values: readonly unknown[],
    o: Waiting,
  ): Promise<{ readonly rows: Record<string, unknown>[] }> {
    const rows = await this.#database.run(
      "jobs",
      (sql) =>
        transaction(sql, async (tx) => {
          const held = await tx`
            select 1 from leases
            where name = ${name} and token = ${token} and expires_at > clock_timestamp() for share`;
          if (held.length === 0) {
            throw new RegistryError("NOT_LEADING", "the term of this leader is over");
          }
          return await executeWith(tx, text, values);
        }),
      o,
    );
    return { rows };
  }

  async jobsOf(prefix: string, o: Waiting): Promise<readonly JobRow[]> {
    return await this.#database.run("node_jobs_list", (sql) => listJobs(sql, prefix), o);
  }

  async resume(queue: string, except: readonly string[], o: Waiting): Promise<void> {
    await this.#database.run(
      "node_jobs_resume",
      (sql) => sql`
        update jobs.job set state = 'retry', start_after = now()
        where name = ${queue} and state in ('active', 'retry')
          and id not in (select value::uuid from jsonb_array_elements_text(${sql.json([...except])}) as value)`,
      o,
    );
  }
}

async function listJobs(sql: Sql, prefix: string): Promise<readonly JobRow[]> {
  const rows = await sql<{ id: string; name: string; state: string; data: unknown }[]>`
    select id, name, state::text as state, data from jobs.job
    where starts_with(name, ${prefix}) and (
      state in ('created', 'retry', 'active')
      or (completed_on > now() - ${FAILED_FOR}::interval
        and (state = 'failed' or (state = 'completed' and output ? 'refused'))))
    order by created_on limit ${ROWS_MAX}`;
  return rows.map(({ id, name, state, data }) => ({
    ...{ id, queue: name, data },
    state: state === "active" ? "running" : isOver(state) ? "failed" : "queued",
  }));
}

function isOver(state: string): boolean {
  return state === "failed" || state === "completed";
}
