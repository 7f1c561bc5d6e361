import { existsSync } from "node:fs";
import path from "node:path";
import { systemClock } from "../core/clock.ts";
import { AppError } from "../core/errors.ts";
import { silentLog } from "../core/log.ts";
import { systemRandom } from "../core/random.ts";
import { EmbeddedPostgres } from "../registry/embedded-postgres.ts";
import type { PoolOptions } from "../registry/options.ts";
import { registryOptions } from "./component-options.ts";
import type { Config } from "./config/config.ts";
import { takeDataDir } from "./data-dir.ts";
import { givenDatabase } from "./open-registry.ts";
import type { DatabaseAddress } from "./up/plan.ts";

/** A database for as long as one command runs. */
export interface CommandDatabase extends AsyncDisposable {
  readonly options: PoolOptions;
  /** True when others may be using it at this moment. */
  readonly shared: boolean;
}

/** The server that the user named, or the embedded one. */
export async function openCommandDatabase(
  config: Config,
  whenAbsent: "refuse" | "create",
): Promise<CommandDatabase> {
  if (!config.OLLAMA_DB_HOST) return await openEmbeddedDatabase(config, whenAbsent);
  const address = givenDatabase(config, config.OLLAMA_DB_HOST);
  return {
    options: registryOptions(config, address),
    shared: true,
    [Symbol.asyncDispose]: async () => {},
  };
}

/** The embedded database: where it runs when it does, else started for this command alone. */
export async function openEmbeddedDatabase(
  config: Config,
  whenAbsent: "refuse" | "create",
): Promise<CommandDatabase> {
  const dataDir = config.OLLAMA_DATA_DIR;
  const running = await EmbeddedPostgres.find(dataDir);
  if (running) {
    return { options: local(config, running), shared: true, [Symbol.asyncDispose]: async () => {} };
  }
  if (whenAbsent === "refuse" && !existsSync(path.join(dataDir, "postgres", "PG_VERSION"))) {
    throw new AppError(
      "NO_DATABASE",
      `there is no embedded database in ${dataDir}: set OLLAMA_DATA_DIR to the folder that has one, or OLLAMA_DB_HOST to a server`,
    );
  }
  await using stack = new AsyncDisposableStack();
  stack.use(await takeDataDir(dataDir));
  const postgres = stack.use(
    await EmbeddedPostgres.open(
      { dataDir, port: 0 },
      { clock: systemClock, random: systemRandom, log: silentLog },
    ),
  );
  const owned = stack.move();
  return {
    options: local(config, postgres.address),
    shared: false,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** TLS is for servers that the user named. */
function local(config: Config, address: DatabaseAddress): PoolOptions {
  return { ...registryOptions(config, address), sslMode: "disable" };
}
