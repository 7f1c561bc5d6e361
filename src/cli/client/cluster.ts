import { AppError } from "../../core/errors.ts";
import type { Command } from "../command.ts";
import { formatTable } from "../table.ts";
import { ApiClient, entriesOf, type Json } from "./api-client.ts";
import { humanBytes } from "./human.ts";

export const nodesCommand: Command = {
  usage: "[--json]",
  help: "Lists the nodes of the cluster, as the node at OLLAMA_HOST sees them now.\n\n  --json   as the API says it",
  options: { json: { type: "boolean" } },
  positionals: [],
  run: async ({ options }) => {
    const answer = await ApiClient.of(process.env).get("/api/cluster/nodes");
    const heading = ["NAME", "HEALTH", "STATE", "ZONE", "RUNNING", "QUEUED", "DISK FREE", "API"];
    if (options["json"]) console.log(JSON.stringify(answer));
    else console.log(formatTable([heading, ...entriesOf(answer["nodes"]).map(nodeRow)]));
    return 0;
  },
};

function nodeRow(node: Json): string[] {
  const { running = 0, queued = 0 } = (node["load"] ?? {}) as Json;
  return [
    `${node["name"]}${node["self"] === true ? " *" : ""}`,
    `${node["health"]}`,
    `${node["state"]}`,
    `${node["zone"] || "-"}`,
    `${running}`,
    `${queued}`,
    humanBytes(Number(node["free_disk_bytes"])),
    `${node["api_url"]}`,
  ];
}

export const replicasCommand: Command = {
  usage: "[MODEL] [--want COUNT] [--json]",
  help: [
    "Lists which node holds which model, as the node at OLLAMA_HOST knows it now.",
    "",
    "  MODEL          only of models whose name begins with it",
    "  --want COUNT   sets how many nodes shall have MODEL: a number, all, or default",
    "  --json         as the API says it",
  ].join("\n"),
  options: { want: { type: "string" }, json: { type: "boolean" } },
  positionals: [],
  optionalPositionals: ["MODEL"],
  run: async ({ options, positionals: [prefix = ""] }) => {
    const client = ApiClient.of(process.env);
    const { want } = options;
    if (want !== undefined) {
      if (prefix === "") throw new AppError("USAGE", "--want takes the name of a MODEL before it");
      const body = { model: prefix, replicas: wantedOf(`${want}`) };
      await client.send("POST", "/api/cluster/wanted", body);
    }
    const answer = await client.get("/api/cluster/replicas");
    const replicas = entriesOf(answer["replicas"])
      .filter(({ model }) => `${model}`.toLowerCase().startsWith(prefix.toLowerCase()))
      .sort((a, b) => keyOf(a).localeCompare(keyOf(b)));
    const heading = ["MODEL", "NODE", "STATE", "SIZE", "ID"];
    if (options["json"]) console.log(JSON.stringify({ replicas }));
    else console.log(formatTable([heading, ...replicas.map(replicaRow)]));
    return 0;
  },
};

function wantedOf(text: string): number | "all" | null {
  if (text === "all") return text;
  if (text === "default") return null;
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw new AppError("USAGE", `--want takes a number, all or default, not ${JSON.stringify(text)}`);
}

const ID_CHARS = 12;

function keyOf(replica: Json): string {
  return `${replica["model"]} ${replica["node_name"]}`;
}

function replicaRow(replica: Json): string[] {
  return [
    `${replica["model"]}`,
    `${replica["node_name"] || replica["node"]}`,
    `${replica["state"]}`,
    humanBytes(Number(replica["size"])),
    `${replica["digest"]}`.slice(0, ID_CHARS),
  ];
}
