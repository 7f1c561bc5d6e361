import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { importGguf } from "../../blobs/import-gguf.ts";
import { ModelStore } from "../../blobs/model-store.ts";
import type { Clock } from "../../core/clock.ts";
import { silentLog } from "../../core/log.ts";
import { formatShortName, parseModelName } from "../../core/model-name.ts";
import type { NodePlan } from "./plan.ts";

const DEMO_FILE = fileURLToPath(new URL("../../../deploy/models/tiny-chat.gguf", import.meta.url));
const DEMO_NAME = "tiny-chat";
/** Nodes that get the demo model at their first start: the others show that requests find their way. */
const DEMO_NODES = 2;
/** In a node's folder once it was imported, so that a model that was deleted stays deleted. */
const DEMO_MARK = "demo-imported";

/** Returns the names of all models that the nodes' folders hold then, for one to wait for. */
export async function importDemo(
  plans: readonly NodePlan[],
  deps: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<readonly string[]> {
  const names = new Set<string>();
  for (const [index, plan] of plans.entries()) {
    await mkdir(plan.folder, { recursive: true, mode: 0o755 });
    await using store = await ModelStore.open(
      { dir: plan.modelsFolder },
      { clock: deps.clock, log: silentLog },
    );
    const mark = path.join(plan.folder, DEMO_MARK);
    if (index < DEMO_NODES && !existsSync(mark)) {
      await importGguf(store, { file: DEMO_FILE, name: DEMO_NAME }, deps);
      await writeFile(mark, "");
      names.add(`${DEMO_NAME}:latest`);
    }
    for (const record of store.list()) {
      const name = parseModelName(record.name);
      if (name) names.add(formatShortName(name));
    }
  }
  return [...names];
}
