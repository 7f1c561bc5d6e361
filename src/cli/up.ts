import { once } from "node:events";
import { systemClock } from "../core/clock.ts";
import { AppError } from "../core/errors.ts";
import { systemRandom } from "../core/random.ts";
import { loadConfig } from "../node/config/config.ts";
import { shutdownSignal } from "../node/shutdown.ts";
import { localModels } from "../node/up/await-cluster.ts";
import { type Cluster, startCluster } from "../node/up/cluster.ts";
import type { Command } from "./command.ts";
import { formatTable } from "./table.ts";

const NODES_MAX = 32;
const DEMO_NAME = "tiny-chat:";
/** The daemons' own deadline and Postgres's stop fit into it. */
const STOP_MS = 45_000;

export const upCommand: Command = {
  usage: "[--nodes N]",
  help: [
    "Starts an embedded Postgres and N nodes (1 by default), each a process of its own, restarted when",
    "it dies. Node i has every port + 10·(i − 1). Ctrl-C stops them all; identities and data stay.",
    "",
    `  --nodes N    how many, 1 to ${NODES_MAX}`,
    "",
    "Settings are environment variables: ollamamax config --help lists them.",
  ].join("\n"),
  options: { nodes: { type: "string" } },
  positionals: [],
  run: async ({ options }) => {
    const count = Number(options["nodes"] ?? 1);
    if (!Number.isInteger(count) || count < 1 || count > NODES_MAX) {
      throw new AppError("USAGE", `--nodes takes a whole number from 1 to ${NODES_MAX}`);
    }
    const { config } = loadConfig(process.env);
    const startedMs = systemClock.nowMs();
    const tell = (text: string): void => {
      console.log(
        `[${((systemClock.nowMs() - startedMs) / 1_000).toFixed(1).padStart(5)} s] ${text}`,
      );
    };
    using stopping = shutdownSignal({
      deadlineMs: STOP_MS,
      onFirst: () => tell("stopping: requests under way may end first (again to end them now)"),
      onForced: () => tell("stopped at once: requests under way were cut off"),
    });
    try {
      const deps = { clock: systemClock, random: systemRandom, signal: stopping, tell };
      await using cluster = await startCluster(config, process.env, count, deps);
      console.log(await describe(cluster, stopping));
      if (!stopping.aborted) await once(stopping, "abort");
    } catch (error) {
      if (!stopping.aborted) throw error;
    }
    tell("stopped");
    return 0;
  },
};

/** What runs where, and lines to try: the last node is asked for a model that it may not hold. */
async function describe(cluster: Cluster, signal: AbortSignal): Promise<string> {
  if (!cluster.isOpen) return describeLocked(cluster);
  const rows = await Promise.all(
    cluster.daemons.map(async ({ plan, address }) => {
      const models = await localModels(address.apiUrl, { signal });
      return [plan.name, address.apiUrl, address.webUrl, address.nodeId, models.join(", ") || "-"];
    }),
  );
  const held = rows.flatMap((row) => row[4]?.split(", ") ?? []).filter((name) => name !== "-");
  const model = held.find((name) => name.startsWith(DEMO_NAME)) ?? held[0];
  const url = cluster.daemons.at(-1)?.address.apiUrl ?? "";
  const chat = { model, messages: [{ role: "user", content: "why is the sky blue?" }] };
  return [
    "",
    formatTable([["NODE", "API", "DASHBOARD", "PEER ID", "REPLICAS"], ...rows]),
    "",
    "Try it (Ctrl-C stops everything):",
    `  curl ${url}/api/tags`,
    ...(model ? [`  curl ${url}/api/chat -d '${JSON.stringify(chat)}'`] : []),
    "",
  ].join("\n");
}

/** Whoever wants to know more, or to try anything, needs a key. */
function describeLocked({ daemons }: Cluster): string {
  const rows = daemons.map(({ plan: { name }, address: { apiUrl, webUrl, nodeId } }) => {
    return [name, apiUrl, webUrl, nodeId];
  });
  return [
    "",
    formatTable([["NODE", "API", "DASHBOARD", "PEER ID"], ...rows]),
    "",
    "The nodes ask for a key; this makes one and prints a line to try it with (Ctrl-C stops everything):",
    "  ollamamax key create NAME --role admin",
    "",
  ].join("\n");
}
