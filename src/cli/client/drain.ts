import { setTimeout as sleep } from "node:timers/promises";
import { parseGoDuration } from "../../core/duration.ts";
import { AppError } from "../../core/errors.ts";
import { shutdownSignal } from "../../node/shutdown.ts";
import type { Command } from "../command.ts";
import { ProgressBar } from "../progress-bar.ts";
import { ApiClient, type Json } from "./api-client.ts";
import { humanBytes } from "./human.ts";

const LOOK_MS = 1_000;
const STOP_MS = 2_000;

export const drainCommand: Command = {
  usage: "NODE [--deadline TIME] [--no-wait] [--json]",
  help: [
    "Empties a node, so that it can be taken away: new requests go to others at once, and what it alone holds is copied.",
    "Waits until it can leave. NODE is an id or a name, as `ollamamax nodes` shows them.",
    "",
    "  --deadline TIME   by when, such as 30m: after it the command fails and says what is left; the node goes on",
    "  --no-wait         only tell it to",
    "  --json            how far it is, in JSON, at the end",
  ].join("\n"),
  options: {
    deadline: { type: "string" },
    "no-wait": { type: "boolean" },
    json: { type: "boolean" },
  },
  positionals: ["NODE"],
  run: async ({ options, positionals: [node = ""] }) => {
    const client = ApiClient.of(process.env);
    const path = `/api/cluster/nodes/${encodeURIComponent(node)}/drain`;
    const { deadline } = options;
    const body = deadline === undefined ? {} : { deadline_seconds: secondsOf(`${deadline}`) };
    let progress = await client.send("POST", path, body);
    if (!options["no-wait"]) progress = await left(client, path, progress);
    if (options["json"]) console.log(JSON.stringify(progress));
    else if (progress["can_leave"] === true) console.log(`${progress["name"]} can leave`);
    else console.log(`${progress["name"]} is draining: ${remainderOf(progress)}`);
    return 0;
  },
};

export const undrainCommand: Command = {
  usage: "NODE",
  help: "Lets a node that was to be drained take requests and copies again.",
  options: {},
  positionals: ["NODE"],
  run: async ({ positionals: [node = ""] }) => {
    const path = `/api/cluster/nodes/${encodeURIComponent(node)}/drain`;
    const { name } = await ApiClient.of(process.env).send("DELETE", path, {});
    console.log(`${name} takes requests again`);
    return 0;
  },
};

/** Looks until it can leave. */
async function left(client: ApiClient, path: string, first: Json): Promise<Json> {
  using stopping = shutdownSignal({ deadlineMs: STOP_MS });
  using bar = new ProgressBar(`draining ${first["name"]}`, process.stderr.isTTY);
  const totalBytes = Number(first["last_bytes"]);
  let progress = first;
  while (progress["can_leave"] !== true) {
    bar.show(totalBytes - Number(progress["last_bytes"]), totalBytes);
    if (Number(progress["deadline_in_ms"] ?? 0) < 0) {
      bar.clear();
      throw new AppError("DEADLINE", `the deadline has passed: ${remainderOf(progress)}`);
    }
    await sleep(LOOK_MS, undefined, { signal: stopping });
    progress = await client.get(path, stopping);
  }
  return progress;
}

function remainderOf(progress: Json): string {
  const last = `${progress["last_replicas"]} models have no other replica yet`;
  const bytes = humanBytes(Number(progress["last_bytes"]));
  return `${last} (${bytes}), ${progress["running"]} requests run`;
}

function secondsOf(text: string): number {
  try {
    const seconds = Math.ceil(parseGoDuration(text) / 1_000);
    if (seconds > 0 && Number.isFinite(seconds)) return seconds;
  } catch {
    // Said below.
  }
  throw new AppError("USAGE", `--deadline takes a time such as 30m, not ${JSON.stringify(text)}`);
}
