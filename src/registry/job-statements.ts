import type postgres from "postgres";
import type { JobStore } from "../core/jobs.ts";
import type { Waiting } from "../core/ports.ts";
import type { Sql, Transaction } from "./connect.ts";
import type { Database } from "./pool.ts";

/** Of a value without one the server takes what the statement needs (Postgres's pseudo-type `unknown`). */
const UNKNOWN = 705;
const UUID_ARRAY = 2951;

type Row = Record<string, unknown>;
type Answer = postgres.RowList<Row[]>;

/**
 * The registry's connections for a library that writes its own SQL, for node-postgres. Values travel as that one writes them:
 * as text, whose type the server finds; the driver would encode a text that is JSON already once more.
 */
export class JobStatements implements JobStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async execute(
    text: string,
    values: readonly unknown[],
    o: Waiting,
  ): Promise<{ readonly rows: Row[] }> {
    const rows = await this.#database.run("jobs", (sql) => executeWith(sql, text, values), o);
    return { rows };
  }
}

export async function executeWith(
  sql: Sql | Transaction,
  text: string,
  values: readonly unknown[],
): Promise<Row[]> {
  if (values.length === 0) return rowsOf(await sql.unsafe<Row[]>(withoutTransaction(text)));
  const typed = values.map((value) => {
    const written = asText(value);
    return written === null ? null : sql.typed(written, UNKNOWN);
  });
  return rowsOf(await sql.unsafe<Row[]>(text, typed));
}

/** Several statements in one message are one transaction anyhow, which a failure does not leave open on its connection. */
function withoutTransaction(text: string): string {
  return text.replace(/^\s*BEGIN;/, "").replace(/\bCOMMIT;?\s*$/, "");
}

function asText(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  if (Array.isArray(value)) return `{${value.map(asElement).join(",")}}`;
  if (value instanceof Date) return value.toISOString();
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** Postgres, 8.15.2 and 8.15.6: array values, quoted. */
function asElement(value: unknown): string {
  if (Array.isArray(value)) return asText(value) ?? "NULL";
  const text = asText(value);
  return text === null ? "NULL" : `"${text.replaceAll(/["\\]/g, "\\$&")}"`;
}

/** Of one statement, or of each of several. */
function rowsOf(answer: Answer | readonly Answer[]): Row[] {
  const answers = "columns" in answer ? [answer] : answer;
  return answers.flatMap((rows) =>
    rows.map((row) =>
      Object.fromEntries(rows.columns.map(({ name, type }) => [name, read(row[name], type)])),
    ),
  );
}

/** As node-postgres gives it. */
function read(value: unknown, type: number): unknown {
  if (typeof value === "bigint") return String(value);
  // The driver's list of array types is off; of all arrays only the ids of jobs are read.
  if (type !== UUID_ARRAY || typeof value !== "string") return value;
  return value === "{}" ? [] : value.slice(1, -1).split(",");
}
