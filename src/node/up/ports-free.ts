import { createServer } from "node:net";
import { AppError } from "../../core/errors.ts";
import type { Config } from "../config/config.ts";
import { nodePorts, p2pHost } from "./plan.ts";

export class PortTakenError extends AppError<"PORT_TAKEN"> {}

/** Rejects with one sentence when a port that the cluster needs is taken, before anything has been started. */
export async function checkPorts(
  config: Config,
  env: NodeJS.ProcessEnv,
  count: number,
): Promise<void> {
  for (let index = 0; index < count; index++) {
    for (const [variable, port] of Object.entries(nodePorts(config, index))) {
      const host = variable === "OLLAMA_P2P_PORT" ? p2pHost(config, env) : config.OLLAMA_HOST.host;
      if (port === 0 || (await isFree(port, host))) continue;
      throw new PortTakenError(
        "PORT_TAKEN",
        `port ${port} (${variable} of node ${index + 1}) is in use on ${host}: is a cluster or an Ollama running already? ` +
          `Stop it, or set ${variable} to another first port`,
      );
    }
  }
}

function isFree(port: number, host: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(false);
      else reject(error);
    });
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
