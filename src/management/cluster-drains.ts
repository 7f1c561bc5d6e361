import type { DrainProgress, DrainState, Drains, NodeDrain } from "../core/drain.ts";
import { ManagementError } from "../core/management.ts";
import type { NodeView } from "../core/node-view.ts";
import type { ClusterView, PeerStreams, ReplicaIndex, Waiting } from "../core/ports.ts";
import { ask } from "./ask.ts";
import { drainProgress } from "./drain-progress.ts";
import type { Request } from "./wire.ts";

export interface ClusterDrainsDeps {
  /** This node's own. */
  readonly drain: NodeDrain;
  readonly view: Pick<ClusterView, "self" | "nodes">;
  readonly replicas: Pick<ReplicaIndex, "replicas">;
  readonly streams: Pick<PeerStreams, "open">;
}

type DrainRequest = Extract<Request, { readonly call: "drain" }>;

/** Tells nodes to empty themselves. The node itself keeps that it shall; how far it is, the replica index shows. */
export class ClusterDrains implements Drains {
  readonly #deps: ClusterDrainsDeps;

  constructor(deps: ClusterDrainsDeps) {
    this.#deps = deps;
  }

  progress(node: string, o: Waiting): Promise<DrainProgress> {
    return this.#tell(node, { call: "drain", action: "tell" }, o);
  }

  begin(node: string, o: Waiting & { readonly deadlineMs?: number }): Promise<DrainProgress> {
    const { deadlineMs } = o;
    const request = { call: "drain", action: "begin" } as const;
    return this.#tell(node, deadlineMs === undefined ? request : { ...request, deadlineMs }, o);
  }

  end(node: string, o: Waiting): Promise<DrainProgress> {
    return this.#tell(node, { call: "drain", action: "end" }, o);
  }

  async #tell(idOrName: string, request: DrainRequest, o: Waiting): Promise<DrainProgress> {
    const { view, replicas } = this.#deps;
    const node = this.#find(idOrName);
    const state = node.self
      ? await performDrain(this.#deps.drain, request, o)
      : await this.#at(node, request, o);
    return drainProgress(node, state, view.nodes(), replicas.replicas());
  }

  async #at({ id, name }: NodeView, request: DrainRequest, o: Waiting): Promise<DrainState> {
    for await (const reply of ask(this.#deps.streams, id, request, o)) {
      if (reply.reply === "drain") return reply.state;
    }
    throw new ManagementError("NODES_FAILED", `${name} ended without an answer`);
  }

  #find(idOrName: string): NodeView {
    const nodes = this.#deps.view.nodes();
    const found = nodes.filter(({ id, name }) => id === idOrName || name === idOrName);
    const [node, second] = found.filter(({ health }) => health === "alive" || health === "suspect");
    if (node && !second) return node;
    if (node) {
      const ids = found.map(({ id }) => id).join(", ");
      throw new ManagementError(
        "NODE_NOT_FOUND",
        `several nodes have the name ${idOrName}: take an id (${ids})`,
      );
    }
    throw new ManagementError(
      "NODE_NOT_FOUND",
      found.length > 0
        ? `node ${idOrName} cannot be reached`
        : `there is no node ${idOrName}: \`ollamamax nodes\` lists those that there are`,
    );
  }
}

/** On the node that is meant. */
export async function performDrain(
  drain: NodeDrain,
  { action, deadlineMs }: DrainRequest,
  o: Waiting,
): Promise<DrainState> {
  if (action === "begin") {
    await drain.begin(deadlineMs === undefined ? o : { ...o, deadlineMs });
  } else if (action === "end") await drain.end(o);
  return drain.state();
}
