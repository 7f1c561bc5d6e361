import type { Metrics } from "../core/metrics.ts";
import { EmbeddedPostgres } from "../registry/embedded-postgres.ts";
import { Registry } from "../registry/registry.ts";
import { registryOptions } from "./component-options.ts";
import type { NodeDeps } from "./deps.ts";
import type { NodeOptions } from "./node.ts";
import type { DatabaseAddress } from "./up/plan.ts";

/**
 * The registry: on the server that the user named, or on an embedded Postgres of this node. A server that cannot be
 * reached stops only a node that has never had a cluster key; any other goes on and connects when it can.
 */
export async function openRegistry(
  options: NodeOptions,
  hasKeptKey: boolean,
  stack: AsyncDisposableStack,
  deps: NodeDeps & { readonly metrics: Metrics },
): Promise<Registry> {
  const address = options.OLLAMA_DB_HOST
    ? givenDatabase(options, options.OLLAMA_DB_HOST)
    : stack.use(
        await EmbeddedPostgres.open(
          { dataDir: options.OLLAMA_DATA_DIR, port: options.OLLAMA_DB_PORT },
          deps,
        ),
      ).address;
  const whenUnreachable = hasKeptKey || options.OLLAMA_CLUSTER_KEY ? "retry" : "fail";
  const settings = { ...registryOptions(options, address), migrate: options.migrate };
  return stack.use(await Registry.open({ ...settings, whenUnreachable }, deps));
}

export function givenDatabase(
  config: Pick<
    NodeOptions,
    "OLLAMA_DB_PORT" | "OLLAMA_DB_NAME" | "OLLAMA_DB_USER" | "OLLAMA_DB_PASSWORD"
  >,
  host: string,
): DatabaseAddress {
  return {
    host,
    port: config.OLLAMA_DB_PORT,
    database: config.OLLAMA_DB_NAME,
    user: config.OLLAMA_DB_USER,
    password: config.OLLAMA_DB_PASSWORD,
  };
}
