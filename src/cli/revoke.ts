import { AppError } from "../core/errors.ts";
import { parseNodeId } from "../core/node-id.ts";
import { revokeNode } from "../node/administer.ts";
import { loadConfig } from "../node/config/config.ts";
import type { Command } from "./command.ts";

export const revokeCommand: Command = {
  usage: "PEER_ID",
  help: [
    "Shuts a node out: its peer id is denied, and the cluster's key is replaced, so that it cannot come",
    "back under another identity. The other nodes act on it within seconds; their connections stay.",
    "A node that was given OLLAMA_CLUSTER_KEY by hand needs the new key at its next start. One that has",
    "the database's password could read the new key: change that password too.",
  ].join("\n"),
  options: {},
  positionals: ["PEER_ID"],
  run: async ({ positionals: [text = ""] }) => {
    const node = parseNodeId(text);
    if (!node) {
      throw new AppError(
        "USAGE",
        `${JSON.stringify(text)} is not a peer id: see the table of up, or /api/cluster/nodes`,
      );
    }
    const { config } = loadConfig(process.env);
    await revokeNode(config, node);
    console.log(`${node} is shut out, and the cluster has a new key`);
    return 0;
  },
};
