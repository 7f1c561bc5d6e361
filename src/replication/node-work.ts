import { AppError } from "../core/errors.ts";
import type { NodeJob, Refusal } from "../core/jobs.ts";
import type { ModelKeeper } from "../core/management.ts";
import { parseModelName, sameName } from "../core/model-name.ts";
import type { LocalModels, Waiting } from "../core/ports.ts";
import type { NodeCopies } from "./node-copies.ts";
import type { PlacedModels } from "./placed-models.ts";

export interface NodeWorkDeps {
  readonly copies: Pick<NodeCopies, "copy">;
  readonly keeper: Pick<ModelKeeper, "remove">;
  readonly models: Pick<LocalModels, "list">;
  readonly placed: Pick<PlacedModels, "add">;
}

/** What no second try on this node would mend. */
const FINAL: ReadonlySet<string> = new Set([
  "DISK_FULL",
  "MODELS_DIR_NOT_WRITABLE",
  "MANIFEST_INVALID",
  "NOT_WANTED",
]);

/** Does what the cluster wants of this node. Done already, it is done at once. */
export async function doNodeJob(
  job: NodeJob,
  deps: NodeWorkDeps,
  o: Waiting,
): Promise<Refusal | undefined> {
  try {
    return await perform(job, deps, o);
  } catch (error) {
    if (o.signal.aborted || !(error instanceof AppError) || !FINAL.has(error.code)) throw error;
    return { refused: error.message };
  }
}

async function perform(
  { kind, name: text, model }: NodeJob,
  { copies, keeper, models, placed }: NodeWorkDeps,
  o: Waiting,
): Promise<Refusal | undefined> {
  const name = parseModelName(text);
  if (!name) return { refused: "what is to be done names no model" };
  const find = () =>
    models.list().find((record) => {
      const known = parseModelName(record.name);
      return record.manifest === model && known !== undefined && sameName(known, name);
    });
  if (kind === "remove") {
    // Another model of that name came since: nobody asked to remove that one.
    if (find()) await keeper.remove(name, o);
    return undefined;
  }
  if (find()) return undefined;
  await copies.copy(model, name, o);
  const record = find();
  if (record) await placed.add(record, models.list());
  return undefined;
}
