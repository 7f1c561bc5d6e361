import { AppError } from "../core/errors.ts";
import { loadConfig } from "../node/config/config.ts";
import { type Moved, moveToServer } from "../node/move-registry.ts";
import { shutdownSignal } from "../node/shutdown.ts";
import type { Command } from "./command.ts";
import { formatTable } from "./table.ts";

/** Time for the rows under way, and for the server to undo. */
const STOP_MS = 15_000;

export const registryCommand: Command = {
  usage: "move --to postgres://USER[:PASSWORD]@HOST[:PORT]/DATABASE[?sslmode=MODE] [--json]",
  help: [
    "Copies the embedded database of OLLAMA_DATA_DIR into a Postgres server (15 or newer), into a database",
    "that is empty or only migrated: one snapshot, every table's rows counted and compared by checksum,",
    "and all of it or nothing. The embedded database stays as it is. Stop the nodes first: what they write",
    "after the snapshot is not copied.",
    "",
    "  --to URL    the new database; its password may come from OLLAMA_DB_PASSWORD in place of the URL",
    "  --json      one JSON object at the end",
  ].join("\n"),
  options: { to: { type: "string" }, json: { type: "boolean" } },
  positionals: ["ACTION"],
  run: async ({ options: { to, json }, positionals: [action = ""] }) => {
    if (action !== "move") throw new AppError("USAGE", `registry knows move, not "${action}"`);
    if (typeof to !== "string") throw new AppError("USAGE", "registry move takes --to URL");
    const { config } = loadConfig(process.env);
    using stopping = shutdownSignal({ deadlineMs: STOP_MS });
    const onTable = (name: string, rows: number): void => {
      if (!json) console.error(`${name}: ${rows} rows`);
    };
    const moved = await moveToServer(config, to, { signal: stopping, onTable }).catch(
      (error: unknown) => {
        if (!stopping.aborted) throw error;
        throw new AppError("STOPPED", "stopped; the new database is as it was");
      },
    );
    console.log(json ? JSON.stringify(moved) : textOf(moved));
    return 0;
  },
};

function textOf({ tables, target, wasInUse }: Moved): string {
  const rows = tables.map(({ name, rows, checksum }) => [name, String(rows), checksum, "same"]);
  return [
    formatTable([["TABLE", "ROWS", "CHECKSUM", "COMPARED"], ...rows]),
    "",
    ...(wasInUse
      ? ["The embedded database is in use: what its nodes write from now on is not copied.", ""]
      : []),
    "Start the nodes with:",
    `  OLLAMA_DB_HOST=${target.host} OLLAMA_DB_PORT=${target.port} OLLAMA_DB_NAME=${target.database} \\`,
    `  OLLAMA_DB_USER=${target.user} OLLAMA_DB_SSL_MODE=${target.sslMode} OLLAMA_DB_PASSWORD_FILE=…`,
  ].join("\n");
}
