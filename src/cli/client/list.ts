import { systemClock } from "../../core/clock.ts";
import type { Command } from "../command.ts";
import { formatTable } from "../table.ts";
import { ApiClient, entriesOf, type Json } from "./api-client.ts";
import { humanBytes, humanTime } from "./human.ts";

const ID_CHARS = 12;

export const listCommand: Command = {
  usage: "[PREFIX] [--local] [--json]",
  help: [
    "Lists the models that the cluster of the node at OLLAMA_HOST can serve.",
    "",
    "  PREFIX      only those whose name begins with it",
    "  --local     only those that the node itself holds",
    "  --json      as the API says it",
  ].join("\n"),
  options: { local: { type: "boolean" }, json: { type: "boolean" } },
  positionals: [],
  optionalPositionals: ["PREFIX"],
  run: async ({ options, positionals: [prefix = ""] }) => {
    const answer = await ApiClient.of(process.env).get(
      `/api/tags${options["local"] ? "?local=true" : ""}`,
    );
    const models = withPrefix(entriesOf(answer["models"]), prefix);
    if (options["json"]) console.log(JSON.stringify({ models }));
    else console.log(formatTable([["NAME", "ID", "SIZE", "MODIFIED"], ...models.map(rowOf)]));
    return 0;
  },
};

function withPrefix(models: readonly Json[], prefix: string): readonly Json[] {
  return models.filter(({ name }) => `${name}`.toLowerCase().startsWith(prefix.toLowerCase()));
}

function rowOf(model: Json): string[] {
  const { name, digest, size, modified_at: modifiedAt } = model;
  const id = `${digest}`.slice(0, ID_CHARS);
  return [`${name}`, id, humanBytes(Number(size)), humanTime(modifiedAt, systemClock.wallMs())];
}

export const psCommand: Command = {
  usage: "[PREFIX] [--local] [--json]",
  help: [
    "Lists the models that are loaded, on any node of the cluster.",
    "",
    "  PREFIX      only those whose name begins with it",
    "  --local     on the node at OLLAMA_HOST alone",
    "  --json      as the API says it",
  ].join("\n"),
  options: { local: { type: "boolean" }, json: { type: "boolean" } },
  positionals: [],
  optionalPositionals: ["PREFIX"],
  run: async ({ options, positionals: [prefix = ""] }) => {
    const answer = await ApiClient.of(process.env).get(
      `/api/ps${options["local"] ? "?local=true" : ""}`,
    );
    const heading = ["NAME", "ID", "SIZE", "PROCESSOR", "CONTEXT", "UNTIL"];
    const models = withPrefix(entriesOf(answer["models"]), prefix);
    if (options["json"]) console.log(JSON.stringify({ models }));
    else console.log(formatTable([heading, ...models.map(loadedRowOf)]));
    return 0;
  },
};

function loadedRowOf(model: Json): string[] {
  const { name, digest, size, size_vram: vram, context_length: context, expires_at: until } = model;
  return [
    `${name}`,
    `${digest}`.slice(0, ID_CHARS),
    humanBytes(Number(size)),
    processorOf(Number(size), Number(vram ?? 0)),
    `${context ?? ""}`,
    humanTime(until, systemClock.wallMs()),
  ];
}

/** As Ollama has it: what of the model is on which processor. */
function processorOf(sizeBytes: number, vramBytes: number): string {
  if (vramBytes <= 0) return "100% CPU";
  if (vramBytes >= sizeBytes) return "100% GPU";
  const cpu = Math.round(((sizeBytes - vramBytes) / sizeBytes) * 100);
  return `${cpu}%/${100 - cpu}% CPU/GPU`;
}
