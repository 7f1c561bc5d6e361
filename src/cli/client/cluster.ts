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
  usage: "[MODEL] [--json]",
  help: [
    "Lists which node holds which model, as the node at OLLAMA_HOST knows it now.",
    "",
    "  MODEL    only of models whose name begins with it",
    "  --json   as the API says it",
  ].join("\n"),
  options: { json: { type: "boolean" } },
  positionals: [],
  optionalPositionals: ["MODEL"],
  run: async ({ options, positionals: [prefix = ""] }) => {
    const answer = await ApiClient.of(process.env).get("/api/cluster/replicas");
    const replicas = entriesOf(answer["replicas"])
      .filter(({ model }) => `${model}`.toLowerCase().startsWith(prefix.toLowerCase()))
      .sort((a, b) => keyOf(a).localeCompare(keyOf(b)));
    const heading = ["MODEL", "NODE", "STATE", "SIZE", "ID"];
    if (options["json"]) console.log(JSON.stringify({ replicas }));
    else console.log(formatTable([heading, ...replicas.map(replicaRow)]));
    return 0;
  },
};

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
