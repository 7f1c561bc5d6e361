import type { HeartbeatRecord } from "../membership-records.ts";

/** Whether readers of changes want to hear of it. Load and free memory differ in every heartbeat, and are not news. */
export function tellsNews(before: HeartbeatRecord, after: HeartbeatRecord): boolean {
  const [a, b] = [before.report, after.report];
  if (before.incarnation !== after.incarnation) return true;
  if (!sameList(before.multiaddrs, after.multiaddrs)) return true;
  if (a === b) return false;
  return (
    a.state !== b.state ||
    a.apiUrl !== b.apiUrl ||
    a.name !== b.name ||
    a.region !== b.region ||
    a.zone !== b.zone ||
    a.version !== b.version ||
    !sameList(
      a.loaded.map(({ model }) => model),
      b.loaded.map(({ model }) => model),
    )
  );
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a === b || (a.length === b.length && a.every((item, i) => item === b[i]));
}
