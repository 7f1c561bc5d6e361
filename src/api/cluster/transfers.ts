import type { Context } from "hono";
import { formatShortName } from "../../core/model-name.ts";
import type { TransferView } from "../../core/transfers.ts";
import type { RouteContext } from "../deps.ts";
import { jsonReply } from "../http/reply.ts";
import type { ApiEnv } from "../http/request-signal.ts";
import { withinOf } from "../ollama/copy.ts";

/** GET /api/cluster/transfers: what is being copied to which node now; with ?local=true to this one. */
export async function transfers(c: Context<ApiEnv>, context: RouteContext): Promise<Response> {
  const names = new Map(context.view.nodes().map(({ id, name }) => [id, name]));
  const all = await context.transfers.all(withinOf(c));
  return jsonReply({
    transfers: all.flatMap(({ node, transfers: running }) =>
      running.map((transfer) => ({
        ...{ node, node_name: names.get(node) ?? "" },
        ...entryOf(transfer),
        sources: transfer.sources.map((source) => ({
          node: source.node,
          node_name: names.get(source.node) ?? "",
          received_bytes: source.receivedBytes,
          bytes_per_second: Math.round(source.bytesPerSecond),
        })),
      })),
    ),
  });
}

function entryOf(transfer: TransferView): Record<string, unknown> {
  const { model, name, totalBytes, doneBytes, bytesPerSecond, remainingMs, runningMs } = transfer;
  return {
    ...{ model: formatShortName(name), digest: model },
    ...{ total_bytes: totalBytes, done_bytes: doneBytes },
    bytes_per_second: Math.round(bytesPerSecond),
    remaining_ms: remainingMs === undefined ? null : Math.round(remainingMs),
    running_ms: Math.round(runningMs),
  };
}
