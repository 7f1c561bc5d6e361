import { AppError } from "../core/errors.ts";
import { loadConfig } from "../node/config/config.ts";
import {
  importLevelDb,
  type LegacyImported,
  type LegacyProgress,
  REASONS,
} from "../node/import-leveldb.ts";
import { shutdownSignal } from "../node/shutdown.ts";
import type { Command } from "./command.ts";
import { ProgressBar } from "./progress-bar.ts";
import { formatTable } from "./table.ts";

/** Time for the batch under way after Ctrl-C. */
const STOP_MS = 15_000;
/** Without a terminal, a line at each tenth. */
const LINES = 10;
const DETAIL_LENGTH_MAX = 100;

export const importLevelDbCommand: Command = {
  usage: "PATH [--dry-run] [--report FILE] [--json]",
  help: [
    "Takes the models of the old store, a LevelDB in the folder PATH, into the registry: the database of",
    "OLLAMA_DB_HOST, else the embedded one. The old store is copied to the folder for temporary files and",
    "read there; it stays as it is, and locked while this runs. Stop the old program first.",
    "",
    "A run that was stopped or killed is started again: what is in the registry stays and is counted as",
    "present. Whatever is not taken over is in the report, with its reason.",
    "",
    "  --dry-run        says what would happen and writes nothing but the report",
    "  --report FILE    the report, in place of PATH.import-report.ndjson",
    "  --json           one JSON object at the end, no progress",
  ].join("\n"),
  options: {
    "dry-run": { type: "boolean" },
    report: { type: "string" },
    json: { type: "boolean" },
  },
  positionals: ["PATH"],
  run: async ({ options, positionals: [folder = ""] }) => {
    const { config } = loadConfig(process.env);
    const { report } = options;
    using stopping = shutdownSignal({ deadlineMs: STOP_MS });
    using bar = new ProgressBar(folder, process.stderr.isTTY && !options["json"]);
    const tell = options["json"] || process.stderr.isTTY ? () => {} : lineTeller();
    const given = {
      folder,
      reportFile: typeof report === "string" ? report : undefined,
      dryRun: options["dry-run"] === true,
    };
    const onProgress = (progress: LegacyProgress): void => {
      bar.show(progress.doneBytes, progress.total.sizeBytes);
      tell(progress);
    };
    const imported = await importLevelDb(config, given, { signal: stopping, onProgress }).catch(
      (error: unknown) => {
        if (!stopping.aborted) throw error;
        throw new AppError("STOPPED", "stopped before the end: start it again to go on");
      },
    );
    bar.clear();
    console.log(options["json"] ? JSON.stringify(imported) : textOf(imported));
    return 0;
  },
};

function lineTeller(): (progress: LegacyProgress) => void {
  let told = 0;
  return ({ doneEntries, total }) => {
    const tenth = Math.floor((doneEntries / total.entries) * LINES);
    if (tenth === told) return;
    told = tenth;
    console.error(`${doneEntries} of ${total.entries} entries`);
  };
}

function textOf(done: LegacyImported): string {
  const would = done.dryRun ? "would be " : "";
  const lines = [
    `${done.entries} entries: ${done.imported} ${would}imported, ${done.present} present already, ${done.skipped} ${would}skipped; ${done.replicas} replicas ${would}recorded`,
  ];
  if (!done.cacheTold) {
    lines.push("Redis does not answer: nodes may show the lists of before for up to a minute");
  }
  const reasons = Object.entries(done.reasons);
  if (reasons.length === 0) return lines.join("\n");
  const counts = reasons.map(([reason, count]) => [reason, String(count), REASONS[reason] ?? ""]);
  const shown = done.firstSkipped.map(({ key, reason, detail }) => [
    cut(JSON.stringify(key)),
    reason,
    cut(detail),
  ]);
  const count = reasons.reduce((sum, [, number]) => sum + number, 0);
  return [
    ...lines,
    "",
    formatTable([["REASON", "COUNT", "MEANING"], ...counts]),
    "",
    formatTable([["KEY", "REASON", "DETAIL"], ...shown]),
    `${count > shown.length ? `and ${count - shown.length} more; ` : ""}all of them: ${done.reportFile}`,
  ].join("\n");
}

function cut(text: string): string {
  return text.length <= DETAIL_LENGTH_MAX ? text : `${text.slice(0, DETAIL_LENGTH_MAX)}…`;
}
