import type { Command } from "../command.ts";
import { ApiClient } from "./api-client.ts";

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
