import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import { ManagementError } from "../core/management.ts";
import type { NodeId } from "../core/node-id.ts";
import type { ClusterView, PeerStreams, Waiting } from "../core/ports.ts";
import type { NodeTransfers, Transfers, TransferView } from "../core/transfers.ts";
import { withTimeout } from "../core/with-timeout.ts";
import { ask } from "./ask.ts";

export interface ClusterTransfersDeps {
  /** This node's own. */
  readonly transfers: () => readonly TransferView[];
  readonly view: Pick<ClusterView, "self" | "nodes">;
  readonly streams: Pick<PeerStreams, "open">;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Who looks on does not want to wait for a node that hangs. */
const ANSWER_MS_MAX = 2_000;

/** Asks every node what it is copying. */
export class ClusterTransfers implements Transfers {
  readonly #deps: ClusterTransfersDeps;

  constructor(deps: ClusterTransfersDeps) {
    this.#deps = deps;
  }

  async all({
    signal,
    local,
  }: Waiting & { readonly local: boolean }): Promise<readonly NodeTransfers[]> {
    const { view, transfers } = this.#deps;
    const own = { node: view.self().id, transfers: transfers() };
    if (local) return [own];
    const others = view.nodes().filter(({ self, health }) => !self && health === "alive");
    const answers = await Promise.all(others.map(({ id }) => this.#inTime(id, signal)));
    signal.throwIfAborted();
    return [own, ...answers.flatMap((answer) => answer ?? [])];
  }

  async #inTime(node: NodeId, signal: AbortSignal): Promise<NodeTransfers | undefined> {
    const { streams, clock, log } = this.#deps;
    const onTimeout = (): Error => new ManagementError("NODES_FAILED", "it does not answer");
    try {
      const options = { signal, timeoutMs: ANSWER_MS_MAX, onTimeout };
      return await withTimeout(clock, options, async (inTime) => {
        for await (const reply of ask(streams, node, { call: "transfers" }, { signal: inTime })) {
          if (reply.reply === "transfers") return { node, transfers: reply.transfers };
        }
        return undefined;
      });
    } catch (error) {
      log.debug({ peer: node, problem: messageOf(error) }, "a peer does not tell what it copies");
    }
    return undefined;
  }
}
