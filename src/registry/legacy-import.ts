import { messageOf } from "../core/errors.ts";
import type { LegacyModel } from "../core/legacy-model.ts";
import { type Sql, type Transaction, transaction } from "./connect.ts";

export interface LegacyRefusal {
  readonly key: string;
  readonly reason: "NAME_TAKEN" | "REFUSED" | "UNKNOWN_NODE";
  readonly detail: string;
}

export interface LegacyOutcome {
  readonly imported: number;
  /** Were there already, the same: from a run before this one, or recorded by a node. */
  readonly present: number;
  readonly replicas: number;
  readonly refused: readonly LegacyRefusal[];
}

/** In `created_by`, so that people can tell what came this way. */
const IMPORTER = "import-leveldb";
const PATH_LENGTH_MAX = 500;
/** SQLSTATE classes that are the data's fault: data exception, constraint violation, limit exceeded. */
const DATA_FAULT = /^(22|23|54)[0-9A-Z]{3}$/;

/**
 * Writes the models that the registry has not, and of what it has changes nothing: a node's word is newer than the old
 * store's. All of it in one transaction; a row that the database refuses does not keep the others out.
 */
export async function importLegacyRows(
  sql: Sql,
  rows: readonly LegacyModel[],
): Promise<LegacyOutcome> {
  try {
    return await transaction(sql, async (tx) => {
      const written = await insertModels(tx, rows);
      return await account(tx, rows, written, true);
    });
  } catch (error) {
    if (!isDataFault(error)) throw error;
    const [row] = rows;
    if (rows.length === 1 && row) {
      const refusal = { key: row.key, reason: "REFUSED", detail: messageOf(error) } as const;
      return { ...NOTHING, refused: [refusal] };
    }
    const middle = Math.ceil(rows.length / 2);
    const first = await importLegacyRows(sql, rows.slice(0, middle));
    return add(first, await importLegacyRows(sql, rows.slice(middle)));
  }
}

/** What importing would do; nothing is written. */
export async function tryLegacyRows(
  sql: Sql,
  rows: readonly LegacyModel[],
): Promise<LegacyOutcome> {
  return await transaction(sql, async (tx) => {
    await tx`set transaction read only`;
    const known = new Set((await knownModels(tx, rows)).map(({ name }) => name));
    const missing = rows.filter(({ name }) => !known.has(name)).map(({ name }) => name);
    return await account(tx, rows, new Set(missing), false);
  });
}

const NOTHING: LegacyOutcome = { imported: 0, present: 0, replicas: 0, refused: [] };

function add(a: LegacyOutcome, b: LegacyOutcome): LegacyOutcome {
  return {
    imported: a.imported + b.imported,
    present: a.present + b.present,
    replicas: a.replicas + b.replicas,
    refused: [...a.refused, ...b.refused],
  };
}

/** The names of those that were not there. */
async function insertModels(tx: Transaction, rows: readonly LegacyModel[]): Promise<Set<string>> {
  const values = rows
    // In the order of names, as everybody who writes several models, so that nobody waits in a circle.
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map((row) => ({
      ...{ name: row.name, version: row.version, size: row.sizeBytes, hash: row.hash },
      ...{ content_type: row.contentType, description: row.description, tags: row.tags },
      parameters: { legacyKey: row.key, attributes: row.attributes },
      ...{ created_at: row.createdAt, updated_at: row.updatedAt, accessed_at: row.accessedAt },
    }));
  const written = await tx<{ name: string }[]>`
    insert into models (name, version, size, hash, content_type, description, tags, parameters, created_by,
      created_at, updated_at, accessed_at)
    select name, version, size, hash, content_type, description, tags, parameters, ${IMPORTER},
      coalesce(created_at, now()), coalesce(updated_at, created_at, now()), accessed_at
    from jsonb_to_recordset(${JSON.stringify(values)}::text::jsonb) as r (name text, version text, size bigint, hash text,
      content_type text, description text, tags jsonb, parameters jsonb, created_at timestamptz, updated_at timestamptz,
      accessed_at timestamptz)
    on conflict (name) do nothing
    returning name`;
  return new Set(written.map(({ name }) => name));
}

interface KnownModel {
  readonly name: string;
  readonly hash: string;
  readonly size: bigint;
}

async function knownModels(
  tx: Transaction,
  rows: readonly LegacyModel[],
): Promise<readonly KnownModel[]> {
  const names = JSON.stringify(rows.map(({ name }) => name));
  return await tx<KnownModel[]>`
    select name, hash, size from models
    where name in (select jsonb_array_elements_text(${names}::text::jsonb))`;
}

/** What became of each row, and the replicas of those that the registry has now as the old store had them. */
async function account(
  tx: Transaction,
  rows: readonly LegacyModel[],
  written: ReadonlySet<string>,
  write: boolean,
): Promise<LegacyOutcome> {
  const known = new Map((await knownModels(tx, rows)).map((model) => [model.name, model]));
  const refused: LegacyRefusal[] = [];
  const kept = rows.filter((row) => {
    const model = known.get(row.name);
    if (!model || (model.hash === row.hash && model.size === BigInt(row.sizeBytes))) return true;
    const detail = `${row.name} is in the registry with the hash ${model.hash} and ${model.size} bytes`;
    refused.push({ key: row.key, reason: "NAME_TAKEN", detail });
    return false;
  });
  const imported = kept.filter(({ name }) => written.has(name)).length;
  const { replicas, strangers } = await addReplicas(tx, kept, write);
  return {
    imported,
    present: kept.length - imported,
    replicas,
    refused: [...refused, ...strangers],
  };
}

/**
 * A replica that the old store knew of is recorded as not yet there ("syncing") unless its node has said something itself.
 * Nodes are known by their peer id, or by a name that only one has.
 */
async function addReplicas(
  tx: Transaction,
  rows: readonly LegacyModel[],
  write: boolean,
): Promise<{ replicas: number; strangers: LegacyRefusal[] }> {
  const wanted = rows.flatMap(({ key, name, hash, sizeBytes, replicas }) =>
    replicas.map(({ node, path }) => ({ key, name, hash, size: sizeBytes, node, path })),
  );
  if (wanted.length === 0) return { replicas: 0, strangers: [] };
  const ids = await nodeIds(
    tx,
    wanted.map(({ node }) => node),
  );
  const strangers = wanted
    .filter(({ node }) => !ids.has(node))
    .map(({ key, name, node }) => ({
      key,
      reason: "UNKNOWN_NODE" as const,
      detail: `the replica of ${name} on ${JSON.stringify(node)}: the registry knows no such node`,
    }));
  const values = wanted.flatMap(({ name, hash, size, node, path }) => {
    const node_id = ids.get(node);
    return node_id === undefined
      ? []
      : [{ name, hash, size, node_id, path: (path || name).slice(0, PATH_LENGTH_MAX) }];
  });
  const recordset = JSON.stringify(values);
  const replicas = await (write ? insertReplicas(tx, recordset) : countMissing(tx, recordset));
  return { replicas, strangers };
}

async function insertReplicas(tx: Transaction, recordset: string): Promise<number> {
  const written = await tx`
    insert into model_replicas (model_id, node_id, replica_path, replica_hash, replica_size, status)
    select models.id, r.node_id, r.path, r.hash, r.size, 'syncing'
    from jsonb_to_recordset(${recordset}::text::jsonb) as r (name text, hash text, size bigint, node_id uuid, path text)
      join models on models.name = r.name
    order by models.name, r.node_id
    on conflict (model_id, node_id) do nothing`;
  return written.count;
}

async function countMissing(tx: Transaction, recordset: string): Promise<number> {
  const [row] = await tx<{ count: number }[]>`
    select count(distinct (r.name, r.node_id))::int as count
    from jsonb_to_recordset(${recordset}::text::jsonb) as r (name text, node_id uuid)
      left join models on models.name = r.name
      left join model_replicas on model_id = models.id and model_replicas.node_id = r.node_id
    where model_id is null`;
  return row?.count ?? 0;
}

async function nodeIds(tx: Transaction, nodes: readonly string[]): Promise<Map<string, string>> {
  const found = await tx<{ called: string; id: string }[]>`
    select called, min(nodes.id::text) as id
    from (select distinct jsonb_array_elements_text(${JSON.stringify(nodes)}::text::jsonb) as called) as wanted
      join nodes on peer_id = called or name = called
    group by called having count(*) = 1`;
  return new Map(found.map(({ called, id }) => [called, id]));
}

function isDataFault(error: unknown): boolean {
  return error instanceof Error && "code" in error && DATA_FAULT.test(String(error.code));
}
