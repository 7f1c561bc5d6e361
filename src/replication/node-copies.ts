import type { Clock } from "../core/clock.ts";
import type { ManifestDigest } from "../core/digest.ts";
import type { ModelRecord } from "../core/model.ts";
import { formatFullName, type ModelName, parseModelName, sameName } from "../core/model-name.ts";
import type { NodeId } from "../core/node-id.ts";
import { canServe } from "../core/node-view.ts";
import type { ClusterView, LocalModels, ReplicaIndex, Waiting } from "../core/ports.ts";
import { ReplicationError } from "./errors.ts";
import type { CopyRequest } from "./model-copier.ts";

export interface NodeCopiesDeps {
  readonly copier: { copy(request: CopyRequest, o: Waiting): Promise<void> };
  readonly models: Pick<LocalModels, "list">;
  readonly view: Pick<ClusterView, "self" | "nodes">;
  readonly replicas: Pick<ReplicaIndex, "holders" | "replicas" | "announce">;
  readonly clock: Clock;
}

const KNOWN_MS_MAX = 30_000;
const LOOK_MS = 250;

/** Copies models to this node, and tells the others: they may go on from what there is already. */
export class NodeCopies {
  readonly #deps: NodeCopiesDeps;

  constructor(deps: NodeCopiesDeps) {
    this.#deps = deps;
  }

  /** Does nothing when the model is here under that name. */
  async copy(model: ManifestDigest, name: ModelName, o: Waiting): Promise<void> {
    if (this.#isHere(model, name)) return;
    const record = await this.#known(model, name, o);
    const { replicas, copier } = this.#deps;
    const wasDamaged = this.#ownState(model) === "failed";
    replicas.announce({ state: "syncing", record });
    try {
      await copier.copy({ model, name, holders: () => this.#holders(model) }, o);
    } finally {
      // What came is announced by who watches the folder.
      if (!this.#isHere(model, name)) {
        replicas.announce(
          wasDamaged
            ? { state: "failed", record }
            : { state: "removed", name: formatFullName(name) },
        );
      }
    }
  }

  /** Throws when nobody has it any more: it was deleted while it was copied. A node that is away still counts. */
  expectWanted(model: ManifestDigest, name: ModelName): void {
    if (!this.#recordOf(model, name)) throw notWanted(name);
  }

  /** A node that has just started does not know yet what the others hold. */
  async #known(model: ManifestDigest, name: ModelName, { signal }: Waiting): Promise<ModelRecord> {
    const { clock } = this.#deps;
    const untilMs = clock.nowMs() + KNOWN_MS_MAX;
    for (;;) {
      const record = this.#recordOf(model, name);
      if (record) return record;
      if (clock.nowMs() >= untilMs) {
        throw new ReplicationError("NO_SOURCE", `nobody is known to have ${formatFullName(name)}`);
      }
      await clock.sleep(LOOK_MS, signal);
    }
  }

  #isHere(model: ManifestDigest, name: ModelName): boolean {
    return this.#deps.models.list().some((record) => isOf(record, model, name));
  }

  #ownState(model: ManifestDigest): string | undefined {
    const { view, replicas } = this.#deps;
    const self = view.self().id;
    return replicas.holders(model).find(({ node }) => node === self)?.state;
  }

  #recordOf(model: ManifestDigest, name: ModelName): ModelRecord | undefined {
    const { view, replicas } = this.#deps;
    const self = view.self().id;
    return replicas
      .replicas()
      .find(({ record, holder }) => holder.node !== self && isOf(record, model, name))?.record;
  }

  /** Those that can be asked: also a node that drains, and one that is still copying. */
  #holders(model: ManifestDigest): readonly NodeId[] {
    const { view, replicas } = this.#deps;
    const reachable = new Set(
      view
        .nodes()
        .filter((node) => !node.self && (canServe(node) || isDraining(node)))
        .map(({ id }) => id),
    );
    return replicas
      .holders(model)
      .filter(({ node, state }) => state !== "failed" && reachable.has(node))
      .map(({ node }) => node);
  }
}

function isDraining({ health, state }: Parameters<typeof canServe>[0]): boolean {
  return (health === "alive" || health === "suspect") && state === "draining";
}

function isOf(record: ModelRecord, model: ManifestDigest, name: ModelName): boolean {
  const known = parseModelName(record.name);
  return record.manifest === model && known !== undefined && sameName(known, name);
}

function notWanted(name: ModelName): ReplicationError {
  return new ReplicationError(
    "NOT_WANTED",
    `${formatFullName(name)} is not copied: nobody has it any more`,
  );
}
