import { AppError } from "../../core/errors.ts";
import type { Arguments, Command } from "../command.ts";
import { ApiClient, ClientError } from "./api-client.ts";
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
  usage: "MODEL...",
  help: "Removes models, one after another. One that cannot be removed does not keep the others.",
  options: {},
  positionals: ["MODEL"],
  restPositional: "MODEL",
  run: async ({ positionals: models }) => {
    const client = ApiClient.of(process.env);
    const failures: string[] = [];
    for (const model of models) {
      try {
        await client.send("DELETE", "/api/delete", { model });
        console.log(`deleted '${model}'`);
      } catch (error) {
        // Nobody is there to be asked for the others.
        if (!(error instanceof ClientError) || error.code !== "NODE_REFUSED") throw error;
        failures.push(error.message);
      }
    }
    if (failures.length > 0) throw new AppError("NOT_REMOVED", failures.join("\n"));
    return 0;
  },
};

const MOVE_OPTIONS = { insecure: { type: "boolean" }, json: { type: "boolean" } } as const;
const MOVE_USAGE = "MODEL [--insecure] [--json]";
const MOVE_HELP = [
  "  --insecure   also over plain HTTP",
  "  --json       the node's own lines, in place of bars",
];

async function move(
  call: "pull" | "push",
  { options, positionals }: Arguments,
  outputGone: AbortSignal,
): Promise<number> {
  const [model = ""] = positionals;
  const body = { model, ...(options["insecure"] && { insecure: true }) };
  const client = ApiClient.of(process.env);
  await followStatus(client, `/api/${call}`, body, options["json"] === true, outputGone);
  return 0;
}

export const pullCommand: Command = {
  usage: MOVE_USAGE,
  help: [
    "Gets a model from its registry: registry.ollama.ai, unless MODEL begins with another (hf.co/org/repo:Q4_K_M).",
    "It comes to the node at OLLAMA_HOST, or to the one that has MODEL already. What a broken pull has brought is kept.",
    "",
    ...MOVE_HELP,
  ].join("\n"),
  options: MOVE_OPTIONS,
  positionals: ["MODEL"],
  run: (given, outputGone) => move("pull", given, outputGone),
};

export const pushCommand: Command = {
  usage: MOVE_USAGE,
  help: [
    "Gives a model to the registry that its name begins with. `ollamamax cp` gives it such a name.",
    "",
    ...MOVE_HELP,
  ].join("\n"),
  options: MOVE_OPTIONS,
  positionals: ["MODEL"],
  run: (given, outputGone) => move("push", given, outputGone),
};
