const HIDDEN = "[secret]";
/** Columns, and keys within their values, whatever table they are of. A manifest's hash is no secret, a password's is. */
const SECRET_KEYS = /password|secret|token|private|credential|api_?key|key_hash|authorization/i;
/** Tables whose values may be secrets without being called so: the cluster's keys are settings. */
const SECRET_COLUMNS: Readonly<Record<string, readonly string[]>> = {
  cluster_settings: ["value"],
};

/** The triggers leave secrets out of the audit log already; should one of them miss one, nobody reads it here. */
export function withoutSecrets(table: string, values: unknown): unknown {
  const columns = SECRET_COLUMNS[table] ?? [];
  return hide(
    values,
    (key, depth) => SECRET_KEYS.test(key) || (depth === 0 && columns.includes(key)),
    0,
  );
}

const DEPTH_MAX = 20;

function hide(
  value: unknown,
  isSecret: (key: string, depth: number) => boolean,
  depth: number,
): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (depth > DEPTH_MAX) return HIDDEN;
  if (Array.isArray(value)) return value.map((item) => hide(item, isSecret, depth + 1));
  const entries = Object.entries(value).map(([key, part]) => [
    key,
    isSecret(key, depth) && part !== null ? HIDDEN : hide(part, isSecret, depth + 1),
  ]);
  return Object.fromEntries(entries);
}
