import type { ModelRecord } from "../core/model.ts";
import { parseModelName } from "../core/model-name.ts";
import type { Sql, Transaction } from "./connect.ts";
import { storable, storableJson } from "./storable.ts";

/** The column's width; a longer reference is served all the same, but not recorded. */
const NAME_LENGTH_MAX = 255;
const VERSION_LENGTH_MAX = 50;
const GGUF_TYPE = "application/vnd.ollama.image.model";

/** Records what a node holds under this name. Returns the row's id; undefined of a name that the table cannot hold. */
export async function upsertModel(
  sql: Sql | Transaction,
  record: ModelRecord,
): Promise<string | undefined> {
  const { name } = record;
  if (name.length > NAME_LENGTH_MAX || storable(name) !== name) return undefined;
  const version = (parseModelName(name)?.tag ?? "latest").slice(0, VERSION_LENGTH_MAX);
  const parameters = { details: record.details, capabilities: record.capabilities };
  // An unchanged row is not written again: every node that holds the model comes by here.
  const [row] = await sql<{ id: string }[]>`
    with written as (
      insert into models (name, version, size, hash, content_type, parameters)
      values (${name}, ${version}, ${record.sizeBytes}, ${record.manifest}, ${GGUF_TYPE},
        ${storableJson(parameters)}::text::jsonb)
      on conflict (name) do update set
        version = excluded.version, size = excluded.size, hash = excluded.hash,
        parameters = excluded.parameters, status = case models.status when 'deleted' then 'active' else models.status end
      where (models.hash, models.size) is distinct from (excluded.hash, excluded.size) or models.status = 'deleted'
      returning id)
    select id from written union all select id from models where name = ${name} limit 1`;
  if (row) return row.id;
  // Another node wrote the same while we waited for it; only a new statement sees that.
  const [other] = await sql<{ id: string }[]>`select id from models where name = ${name}`;
  return other?.id;
}
