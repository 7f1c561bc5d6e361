import { setTimeout as sleep } from "node:timers/promises";
import { shutdownSignal } from "../../node/shutdown.ts";
import { rowsOf } from "../cells.ts";
import type { Command } from "../command.ts";
import { formatTable } from "../table.ts";
import { ApiClient, entriesOf, type Json } from "./api-client.ts";
import { humanBytes, humanDuration } from "./human.ts";

const LOOK_MS = 500;
const STOP_MS = 2_000;
const BAR_CELLS = 20;
const LEFT_MS_MAX = 100 * 3_600_000;

export const transfersCommand: Command = {
  usage: "[--watch] [--json]",
  help: [
    "Lists the models that are being copied between nodes, each with how far it is.",
    "",
    "  --watch   look again and again, until Ctrl-C",
    "  --json    as the API says it",
  ].join("\n"),
  options: { watch: { type: "boolean" }, json: { type: "boolean" } },
  positionals: [],
  run: async ({ options }, outputGone) => {
    const client = ApiClient.of(process.env);
    using stopping = shutdownSignal({ deadlineMs: STOP_MS });
    const signal = AbortSignal.any([stopping, outputGone]);
    const show = options["json"] ? (answer: Json) => JSON.stringify(answer) : tableOf;
    if (!options["watch"]) {
      console.log(show(await client.get("/api/cluster/transfers", signal)));
      return 0;
    }
    try {
      for (let rows = 0; ; ) {
        const text = show(await client.get("/api/cluster/transfers", signal));
        // In a terminal in place of what was there before.
        if (process.stdout.isTTY && rows > 0) process.stdout.write(`\x1b[${rows}F\x1b[J`);
        console.log(text);
        rows = rowsOf(text, process.stdout.columns);
        await sleep(LOOK_MS, undefined, { signal });
      }
    } catch (error) {
      if (!stopping.aborted) throw error;
    }
    return 0;
  },
};

function tableOf(answer: Json): string {
  const rows = entriesOf(answer["transfers"]).map(rowOf);
  const heading = ["MODEL", "TO", "PROGRESS", "DONE", "RATE", "LEFT", "FROM"];
  return rows.length === 0 ? "nothing is being copied" : formatTable([heading, ...rows]);
}

function rowOf(transfer: Json): string[] {
  const { model, node, node_name: name, remaining_ms: remainingMs } = transfer;
  const doneBytes = Number(transfer["done_bytes"]);
  const totalBytes = Number(transfer["total_bytes"]);
  const share = totalBytes === 0 ? 0 : Math.min(1, doneBytes / totalBytes);
  const filled = Math.round(share * BAR_CELLS);
  const sources = entriesOf(transfer["sources"]).map((source) => source["node_name"]);
  return [
    `${model}`,
    `${name || node}`,
    `${"█".repeat(filled)}${"░".repeat(BAR_CELLS - filled)} ${Math.floor(share * 100)} %`,
    `${humanBytes(doneBytes)} of ${humanBytes(totalBytes)}`,
    `${humanBytes(Number(transfer["bytes_per_second"]))}/s`,
    leftOf(remainingMs),
    sources.join(", ") || "-",
  ];
}

/** A copy that has only just begun to move says nothing of its end. */
function leftOf(remainingMs: unknown): string {
  if (typeof remainingMs !== "number" || remainingMs > LEFT_MS_MAX) return "-";
  return humanDuration(Math.round(remainingMs / 1_000) * 1e9);
}
