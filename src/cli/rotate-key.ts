import { rotateKey } from "../node/administer.ts";
import { loadConfig } from "../node/config/config.ts";
import type { Command } from "./command.ts";

export const rotateKeyCommand: Command = {
  usage: "",
  help: [
    "Puts a new cluster key in front of the present one. Both are valid, so nobody is cut off; at the next",
    "rotation the older one goes. Nodes read it from the registry within seconds.",
  ].join("\n"),
  options: {},
  positionals: [],
  run: async () => {
    const { config } = loadConfig(process.env);
    await rotateKey(config);
    console.log("the cluster has a new key; the one before stays valid until the next rotation");
    return 0;
  },
};
