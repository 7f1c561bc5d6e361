import { parseManifestDigest } from "../core/digest.ts";
import { parseNodeId } from "../core/node-id.ts";
import type { PlacementRecords, RecordedReplica, ReplicaWishes } from "../core/placement.ts";
import type { Waiting } from "../core/ports.ts";
import type { Sql } from "./connect.ts";
import type { Database } from "./pool.ts";

const ROWS_MAX = 100_000;
/** A node that said nothing for so long will not bring its replicas back soon. */
const GONE_AFTER = "1 day";
/** In `models.replicas_wanted`. */
const ALL = 0;

/** What the registry records of where models are and should be. */
export class RegistryPlacement implements PlacementRecords, ReplicaWishes {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  replicas(o: Waiting): Promise<readonly RecordedReplica[]> {
    return this.#database.run("placement_rows", recordedReplicas, o);
  }

  wanted(o: Waiting): Promise<ReadonlyMap<string, number | "all">> {
    return this.#database.run("placement_rows", wantedReplicas, o);
  }

  setWanted(name: string, wanted: number | "all" | undefined, o: Waiting): Promise<boolean> {
    return this.#database.run("wanted_write", (sql) => writeWanted(sql, name, wanted), o);
  }
}

export async function recordedReplicas(sql: Sql): Promise<readonly RecordedReplica[]> {
  const rows = await sql<
    {
      peer_id: string;
      name: string;
      hash: string | null;
      size: bigint | null;
      status: RecordedReplica["state"];
      placed: boolean;
    }[]
  >`
    select peer_id, models.name, replica_hash as hash, replica_size as size, r.status, placed
    from model_replicas r join nodes on nodes.id = r.node_id join models on models.id = r.model_id
    where r.status <> 'deleted' and nodes.last_heartbeat > now() - ${GONE_AFTER}::interval
    order by r.id limit ${ROWS_MAX}`;
  return rows.flatMap(({ peer_id, name, hash, size, status, placed }) => {
    const node = parseNodeId(peer_id);
    const model = hash === null ? undefined : parseManifestDigest(hash);
    if (!node || !model) return [];
    return [{ node, name, model, sizeBytes: Number(size ?? 0n), state: status, placed }];
  });
}

export async function wantedReplicas(sql: Sql): Promise<ReadonlyMap<string, number | "all">> {
  const rows = await sql<{ name: string; wanted: number }[]>`
    select name, replicas_wanted as wanted from models
    where replicas_wanted is not null and status <> 'deleted' limit ${ROWS_MAX}`;
  return new Map(rows.map(({ name, wanted }) => [name, wanted === ALL ? "all" : wanted]));
}

export async function writeWanted(
  sql: Sql,
  name: string,
  wanted: number | "all" | undefined,
): Promise<boolean> {
  const value = wanted === undefined ? null : wanted === "all" ? ALL : wanted;
  const rows = await sql`
    update models set replicas_wanted = ${value} where lower(name) = lower(${name}) returning 1`;
  return rows.length > 0;
}
