import { systemClock } from "../core/clock.ts";
import { AppError } from "../core/errors.ts";
import { silentLog } from "../core/log.ts";
import type { NodeId } from "../core/node-id.ts";
import { systemRandom } from "../core/random.ts";
import { denyNode, rotateClusterKey } from "../registry/cluster-settings.ts";
import { EmbeddedPostgres } from "../registry/embedded-postgres.ts";
import { Registry } from "../registry/registry.ts";
import { registryOptions } from "./component-options.ts";
import type { Config } from "./config/config.ts";
import { givenDatabase } from "./open-registry.ts";

/** What an operator decides about the cluster's members, written to the registry; the nodes read it within a second. */

export async function revokeNode(config: Config, node: NodeId): Promise<void> {
  await using registry = await openForCommand(config);
  await denyNode(registry.sql, node);
}

export async function rotateKey(config: Config): Promise<void> {
  await using registry = await openForCommand(config);
  await rotateClusterKey(registry.sql);
}

/** The registry of the cluster that runs: the given server, or the embedded one beside us. Never migrates. */
async function openForCommand(config: Config): Promise<Registry> {
  const address = config.OLLAMA_DB_HOST
    ? givenDatabase(config, config.OLLAMA_DB_HOST)
    : await EmbeddedPostgres.find(config.OLLAMA_DATA_DIR);
  if (!address) {
    throw new AppError(
      "NO_CLUSTER",
      `no cluster runs in ${config.OLLAMA_DATA_DIR}: start it first, or set OLLAMA_DB_HOST to its database`,
    );
  }
  return await Registry.open(
    { ...registryOptions(config, address), migrate: false, whenUnreachable: "fail" },
    { clock: systemClock, random: systemRandom, log: silentLog },
  );
}
