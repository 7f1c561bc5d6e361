import { once } from "node:events";
import { loadConfig } from "../node/config/config.ts";
import { nodeLogger, systemNodeDeps } from "../node/deps.ts";
import { startNode } from "../node/node.ts";
import { shutdownSignal } from "../node/shutdown.ts";
import type { Command } from "./command.ts";

const DRAIN_MS = 30_000;

export const serveCommand: Command = {
  usage: "[--no-migrate]",
  help: [
    "Runs one node until SIGINT or SIGTERM, which drain it: no new requests, running ones end,",
    `the others are told. A second signal, or ${DRAIN_MS / 1_000} s, ends it at once.`,
    "",
    "  --no-migrate    only check the database's schema, never change it",
    "",
    "Settings are environment variables: ollamamax config --help lists them.",
  ].join("\n"),
  options: { "no-migrate": { type: "boolean" } },
  positionals: [],
  run: async ({ options }) => {
    const { config } = loadConfig(process.env);
    const log = nodeLogger(config);
    using stopping = shutdownSignal({
      deadlineMs: DRAIN_MS,
      onFirst: (reason) => log.info({ reason }, "stopping"),
    });
    await using node = await startNode(
      { ...config, migrate: !options["no-migrate"] },
      systemNodeDeps(log, stopping),
    );
    process.send?.({ type: "ready", ...node.address });
    if (!stopping.aborted) await once(stopping, "abort");
    await node.drain();
    return 0;
  },
};
