import { AppError } from "../core/errors.ts";
import { loadConfig } from "../node/config/config.ts";
import { checkRegistry, raiseRegistry } from "../node/migrate-registry.ts";
import type { Command } from "./command.ts";

export const migrateCommand: Command = {
  usage: "--check | --up [--json]",
  help: [
    "Compares the database's schema with the one of this version, or brings it up to it. The database is",
    "the one of OLLAMA_DB_HOST, else the embedded one in OLLAMA_DATA_DIR (running or not).",
    "",
    "  --check    changes nothing; code 0 when the schema is current, 1 when it is not",
    "  --up       applies what is missing, in one transaction, one process at a time",
    "  --json     one JSON object",
    "",
    "A rolling upgrade: migrate --up with the new version while the old nodes run, then replace the",
    "nodes one after the other, each started with `serve --no-migrate`.",
  ].join("\n"),
  options: {
    check: { type: "boolean" },
    up: { type: "boolean" },
    json: { type: "boolean" },
  },
  positionals: [],
  run: async ({ options: { check, up, json } }) => {
    if (Boolean(check) === Boolean(up)) {
      throw new AppError("USAGE", "migrate takes either --check or --up");
    }
    const { config } = loadConfig(process.env);
    if (up) {
      const raised = await raiseRegistry(config);
      console.log(json ? JSON.stringify(raised) : raisedText(raised));
      return 0;
    }
    const checked = await checkRegistry(config);
    if (json) console.log(JSON.stringify(checked));
    else if (checked.state === "current") {
      console.log(`the schema of ${checked.database} is current`);
    } else console.error(`ollamamax: ${checked.problem}`);
    return checked.state === "current" ? 0 : 1;
  },
};

function raisedText({ database, applied }: Awaited<ReturnType<typeof raiseRegistry>>): string {
  if (applied.length === 0) return `the schema of ${database} was current already`;
  return `the schema of ${database} is current now: applied ${applied.join(", ")}`;
}
