import { AppError } from "../core/errors.ts";
import type { Waiting } from "../core/ports.ts";
import { requireConnected, type Sql, type Transaction, transaction } from "./connect.ts";
import { isAway } from "./errors.ts";
import { checkSchema, migrateWithin } from "./migrate.ts";
import {
  identityOf,
  speakPlainly,
  sumOf,
  type TableCopy,
  type TableSum,
  tableCopies,
} from "./table-copy.ts";

export type MoveErrorCode =
  | "SAME_DATABASE"
  | "TARGET_NOT_EMPTY"
  | "TARGET_BUSY"
  | "TARGET_LOST"
  | "SOURCE_LOST"
  | "COPY_DIFFERS";

export class MoveError extends AppError<MoveErrorCode> {}

export interface MovedTable extends TableSum {
  readonly name: string;
}

const BATCH_ROWS = 200;
/** Somebody else in the new database is told of, not waited for. */
const LOCK_TIMEOUT = "10s";
const AUDIT = "audit_log";
const LOCK_NOT_AVAILABLE = "55P03";

/**
 * Copies every table into a database that has none, or only empty ones:
 *
 * 1. a read-only snapshot of the old database, the sums of its tables;
 * 2. in one transaction of the new one: the schema, the rows with triggers asleep (so that nothing is touched or audited
 *    again), the sums of what arrived;
 * 3. committed when all sums are equal, else all of it is undone.
 */
export async function moveRegistry(
  source: Sql,
  target: Sql,
  o: Waiting & { readonly onTable: (name: string, rows: number) => void },
): Promise<readonly MovedTable[]> {
  await checkSchema(source);
  let moved: readonly MovedTable[] | undefined;
  try {
    await longTransaction(source, async (from) => {
      await from`set transaction isolation level repeatable read, read only`;
      await speakPlainly(from);
      const copies = await tableCopies(from);
      const check = (): void => {
        try {
          requireConnected(source);
        } catch (error) {
          throw sourceLost(error);
        }
        requireConnected(target);
      };
      try {
        moved = await longTransaction(target, async (to) => {
          await prepareTarget(from, to, copies);
          return await copyTables(from, to, copies, { ...o, check });
        });
      } catch (error) {
        throw attributed(error);
      }
    });
  } catch (error) {
    // Once the new database has everything, the old one may go away.
    if (!moved) throw error;
  }
  return moved ?? [];
}

interface Copying extends Waiting {
  readonly onTable: (name: string, rows: number) => void;
  /** While one side works the other side's connection is idle, and may be lost. */
  readonly check: () => void;
}

async function copyTables(
  from: Transaction,
  to: Transaction,
  copies: readonly TableCopy[],
  o: Copying,
): Promise<readonly MovedTable[]> {
  const moved: MovedTable[] = [];
  for (const copy of copies) {
    o.check();
    const wanted = await ofSource(() => sumOf(from, copy));
    o.onTable(copy.name, wanted.rows);
    await copyRows(from, to, copy, o);
    moved.push({ name: copy.name, ...(await verified(to, copy, wanted)) });
  }
  o.check();
  for (const { enableTriggers } of copies) await to.unsafe(enableTriggers);
  await copySequences(from, to, o);
  return moved;
}

/**
 * A transaction takes every lost connection for its own, and then says nothing more on it. So inside the new database's one the
 * loss of the old database is another error, and the other way round.
 */
function attributed(error: unknown): unknown {
  if (error instanceof MoveError && error.code === "SOURCE_LOST") return error.cause;
  if (!isAway(error)) return error;
  return new MoveError(
    "TARGET_LOST",
    "the connection to the new database was lost, and it undoes what had arrived: look after that server, then move again",
    { cause: error },
  );
}

function sourceLost(error: unknown): unknown {
  if (!isAway(error)) return error;
  return new MoveError("SOURCE_LOST", "the old database is away", { cause: error });
}

async function ofSource<T>(action: () => PromiseLike<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw sourceLost(error);
  }
}

/** Neither a commit nor a rollback is sent on a connection that was lost while nothing was said on it. */
async function longTransaction<T>(sql: Sql, work: (tx: Transaction) => Promise<T>): Promise<T> {
  return await transaction(sql, async (tx) => {
    try {
      return await work(tx);
    } finally {
      requireConnected(sql);
    }
  });
}

async function prepareTarget(
  from: Transaction,
  to: Transaction,
  copies: readonly TableCopy[],
): Promise<void> {
  if ((await ofSource(() => identityOf(from))) === (await identityOf(to))) {
    throw new MoveError("SAME_DATABASE", "this is the embedded database itself: name another one");
  }
  await speakPlainly(to);
  await to`select set_config('lock_timeout', ${LOCK_TIMEOUT}, true)`;
  try {
    const known = new Set(copies.map(({ name }) => name));
    const [stranger] = (await tableCopies(to)).filter(({ name }) => !known.has(name));
    if (stranger) throw notEmpty(`it has a table ${stranger.name}`);
    await migrateWithin(to);
    // This also keeps everybody else from writing to them.
    for (const { disableTriggers } of copies) await to.unsafe(disableTriggers);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === LOCK_NOT_AVAILABLE))
      throw error;
    throw new MoveError(
      "TARGET_BUSY",
      "somebody else uses the new database: stop the nodes that run on it",
      { cause: error },
    );
  }
  // What the audit log has came of another table's rows, which tell people more.
  const told = copies.toSorted((a, b) => Number(a.name === AUDIT) - Number(b.name === AUDIT));
  for (const copy of told) {
    const { rows } = await sumOf(to, copy);
    if (rows > 0) throw notEmpty(`its table ${copy.name} has ${rows} rows`);
  }
}

function notEmpty(why: string): MoveError {
  return new MoveError(
    "TARGET_NOT_EMPTY",
    `the new database is not empty (${why}): create an empty one and name that`,
  );
}

async function copyRows(
  from: Transaction,
  to: Transaction,
  copy: TableCopy,
  o: Copying,
): Promise<void> {
  o.check();
  for await (const rows of rowsOf(from, copy)) {
    o.check();
    o.signal.throwIfAborted();
    await to.unsafe(copy.insert, [`[${rows.map(({ row }) => row).join(",")}]`]);
    o.check();
  }
  o.check();
}

async function* rowsOf(from: Transaction, copy: TableCopy): AsyncIterable<{ row: string }[]> {
  try {
    yield* from.unsafe<{ row: string }[]>(copy.select).cursor(BATCH_ROWS);
  } catch (error) {
    throw sourceLost(error);
  }
}

async function verified(to: Transaction, copy: TableCopy, wanted: TableSum): Promise<TableSum> {
  const found = await sumOf(to, copy);
  if (found.rows === wanted.rows && found.checksum === wanted.checksum) return found;
  throw new MoveError(
    "COPY_DIFFERS",
    `table ${copy.name} did not arrive as it was (${wanted.rows} rows with checksum ${wanted.checksum}, then ${found.rows} with ${found.checksum}), and everything was undone: look for rules or triggers of the new database`,
  );
}

/** Last of all, as no rollback takes it back. */
async function copySequences(from: Transaction, to: Transaction, o: Copying): Promise<void> {
  o.check();
  const sequences = await ofSource(
    () => from<{ name: string; last_value: bigint }[]>`
      select format('%I', sequencename) as name, last_value from pg_sequences
      where schemaname = current_schema() and last_value is not null`,
  );
  for (const { name, last_value } of sequences) {
    o.check();
    await to`select setval(${name}::text::regclass, ${last_value})`;
  }
}
