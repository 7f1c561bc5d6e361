import type { Clock } from "../../core/clock.ts";
import { silentLog } from "../../core/log.ts";
import type { Random } from "../../core/random.ts";
import { EmbeddedPostgres } from "../../registry/embedded-postgres.ts";
import { Registry } from "../../registry/registry.ts";
import { registryOptions } from "../component-options.ts";
import type { Config } from "../config/config.ts";
import type { DatabaseAddress } from "./plan.ts";

export interface DatabaseDeps {
  readonly clock: Clock;
  readonly random: Random;
  /** A line for everything that happens to an embedded Postgres once it runs. */
  readonly tell: (text: string) => void;
}

/**
 * The database that all nodes share: the one that the user named, or an embedded Postgres that lives as long as the
 * stack. Brings its schema up to date, so that the nodes need not queue for it.
 */
export async function openDatabase(
  config: Config,
  stack: AsyncDisposableStack,
  deps: DatabaseDeps,
): Promise<DatabaseAddress> {
  const address = config.OLLAMA_DB_HOST
    ? given(config, config.OLLAMA_DB_HOST)
    : await embedded(config, stack, deps);
  await using _checked = await Registry.open(
    { ...registryOptions(config, address), migrate: true, whenUnreachable: "fail" },
    { ...deps, log: silentLog },
  );
  return address;
}

function given(config: Config, host: string): DatabaseAddress {
  return {
    host,
    port: config.OLLAMA_DB_PORT,
    database: config.OLLAMA_DB_NAME,
    user: config.OLLAMA_DB_USER,
    password: config.OLLAMA_DB_PASSWORD,
  };
}

async function embedded(
  config: Config,
  stack: AsyncDisposableStack,
  { clock, random, tell }: DatabaseDeps,
): Promise<DatabaseAddress> {
  let isOpen = false;
  const tellLater = (_fields: unknown, text: string): void => {
    if (isOpen) tell(text);
  };
  const log = { ...silentLog, info: tellLater, warn: tellLater, error: tellLater };
  const postgres = await EmbeddedPostgres.open(
    { dataDir: config.OLLAMA_DATA_DIR, port: config.OLLAMA_DB_PORT },
    { clock, random, log },
  );
  isOpen = true;
  stack.use(postgres);
  return postgres.address;
}
