const HIDDEN = "[secret]";
/** Columns, and keys within their values, whatever table they are of. A manifest's hash is no secret, a password's is. */
const SECRET_KEYS = /password|secret|token|private|credential|api_?key|key_hash|authorization/i;
/** Settings that are no secret; the cluster's keys are settings too, and are not called so. */
const OPEN_SETTINGS: readonly unknown[] = ["denied_nodes"];

/** The triggers leave secrets out of the audit log already; should one of them miss one, nobody reads it here. */
export function withoutSecrets(table: string, values: unknown): unknown {
  const isSetting = table === "cluster_settings" && !OPEN_SETTINGS.includes(nameIn(values));
  return hide(
    values,
    (key, depth) => SECRET_KEYS.test(key) || (isSetting && depth === 0 && key === "value"),
    0,
  );
}

function nameIn(values: unknown): unknown {
  return typeof values === "object" && values !== null && "name" in values
    ? values.name
    : undefined;
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
