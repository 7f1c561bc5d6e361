import type { Command } from "../command.ts";
import { ApiClient } from "./api-client.ts";
import { followStatus } from "./follow-status.ts";

export const stopCommand: Command = {
  usage: "MODEL",
  help: "Unloads the model on every node of the cluster, once its running requests have ended.",
  options: {},
  positionals: ["MODEL"],
  run: async ({ positionals: [model = ""] }) => {
    await ApiClient.of(process.env).send("POST", "/api/generate", { model, keep_alive: 0 });
    return 0;
  },
};

export const copyCommand: Command = {
  usage: "SOURCE DESTINATION",
  help: "Gives a model another name.",
  options: {},
  positionals: ["SOURCE", "DESTINATION"],
  run: async ({ positionals: [source = "", destination = ""] }) => {
    await ApiClient.of(process.env).send("POST", "/api/copy", { source, destination });
    console.log(`copied '${source}' to '${destination}'`);
    return 0;
  },
};

export const removeCommand: Command = {
  usage: "MODEL",
  help: "Removes a model.",
  options: {},
  positionals: ["MODEL"],
  run: async ({ positionals: [model = ""] }) => {
    await ApiClient.of(process.env).send("DELETE", "/api/delete", { model });
    console.log(`deleted '${model}'`);
    return 0;
  },
};

export const pullCommand: Command = {
  usage: "MODEL [--insecure] [--json]",
  help: [
    "Loads a model from its registry into the node at OLLAMA_HOST. What a broken load has already brought is kept.",
    "",
    "  --insecure   also from a registry without TLS",
    "  --json       the node's own lines, in place of bars",
  ].join("\n"),
  options: { insecure: { type: "boolean" }, json: { type: "boolean" } },
  positionals: ["MODEL"],
  run: async ({ options, positionals: [model = ""] }) => {
    const body = { model, ...(options["insecure"] && { insecure: true }) };
    await followStatus(ApiClient.of(process.env), "/api/pull", body, options["json"] === true);
    return 0;
  },
};
