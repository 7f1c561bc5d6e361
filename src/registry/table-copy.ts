import type { Sql, Transaction } from "./connect.ts";

/**
 * How one table is copied and compared: statements that the server puts together from its own catalogue, so that a table of
 * a later migration needs nothing here. Every value travels as the text that Postgres itself writes and reads.
 */
export interface TableCopy {
  readonly name: string;
  /** Rows as arrays of texts, in JSON. */
  readonly select: string;
  /** Takes an array of such rows. */
  readonly insert: string;
  /** Its count of rows, and a checksum that does not depend on their order. */
  readonly sum: string;
  readonly disableTriggers: string;
  readonly enableTriggers: string;
}

export interface TableSum {
  readonly rows: number;
  readonly checksum: string;
}

/** Enough that the texts of two servers can be compared. */
export async function speakPlainly(tx: Transaction): Promise<void> {
  await tx`select set_config(name, value, true) from (values ('TimeZone', 'UTC'), ('DateStyle', 'ISO, YMD'),
    ('IntervalStyle', 'postgres'), ('bytea_output', 'hex'), ('extra_float_digits', '1')) as settings (name, value)`;
}

/** All tables but the list of migrations, each after those that it refers to. */
export async function tableCopies(tx: Transaction): Promise<readonly TableCopy[]> {
  const copies = await tx<TableCopy[]>`
    with columns as (
      select attrelid, attname, format_type(atttypid, atttypmod) as type,
        row_number() over (partition by attrelid order by attnum) - 1 as at
      from pg_attribute where attnum > 0 and not attisdropped and attgenerated = '')
    select relname as name,
      format('select jsonb_build_array(%s)::text as row from %I', texts, relname) as select,
      format('insert into %I (%s) overriding system value select %s from jsonb_array_elements($1::text::jsonb) as r',
        relname, names, casts) as insert,
      format($$select count(*)::int as rows,
        coalesce(to_hex(sum(('x' || left(hash, 8))::bit(32)::bigint)::bigint) || '-' ||
          to_hex(sum(('x' || right(hash, 8))::bit(32)::bigint)::bigint), '0-0') as checksum
        from (select md5(jsonb_build_array(%s)::text) as hash from %I) as hashed$$, texts, relname) as sum,
      format('alter table %I disable trigger user', relname) as "disableTriggers",
      format('alter table %I enable trigger user', relname) as "enableTriggers"
    from pg_class, lateral (
      select string_agg(format('%I', attname), ', ' order by at) as names,
        string_agg(format('%I::text', attname), ', ' order by at) as texts,
        string_agg(format('(r ->> %s)::%s', at, type), ', ' order by at) as casts
      from columns where attrelid = pg_class.oid) as lists
    where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p') and not relispartition
      and relname <> 'schema_migrations'
    order by relname`;
  return parentsFirst(copies, await references(tx));
}

export async function sumOf(tx: Transaction, copy: TableCopy): Promise<TableSum> {
  const [row] = await tx.unsafe<TableSum[]>(copy.sum);
  return row ?? { rows: 0, checksum: "0-0" };
}

interface Reference {
  readonly child: string;
  readonly parent: string;
}

async function references(tx: Transaction): Promise<readonly Reference[]> {
  return await tx<Reference[]>`
    select child.relname as child, parent.relname as parent
    from pg_constraint join pg_class as child on child.oid = conrelid join pg_class as parent on parent.oid = confrelid
    where contype = 'f' and conrelid <> confrelid and connamespace = current_schema()::regnamespace`;
}

/** Tables that refer to each other in a circle come last, as they are. */
export function parentsFirst<T extends { readonly name: string }>(
  tables: readonly T[],
  references: readonly Reference[],
): T[] {
  const ordered: T[] = [];
  let left = [...tables];
  while (left.length > 0) {
    const waiting = new Set(left.map(({ name }) => name));
    const isFree = ({ name }: T): boolean =>
      !references.some(({ child, parent }) => child === name && waiting.has(parent));
    const free = left.filter(isFree);
    if (free.length === 0) return [...ordered, ...left];
    ordered.push(...free);
    left = left.filter((table) => !free.includes(table));
  }
  return ordered;
}

/** Tells two connections to one database from connections to two. */
export async function identityOf(sql: Sql | Transaction): Promise<string> {
  const [row] = await sql<{ identity: string }[]>`
    select extract(epoch from pg_postmaster_start_time())::text || ' ' || current_database() as identity`;
  return row?.identity ?? "";
}
