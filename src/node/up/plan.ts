import path from "node:path";
import type { Config } from "../config/config.ts";

/** One daemon of `ollamamax up`. */
export interface NodePlan {
  readonly name: string;
  readonly folder: string;
  readonly modelsFolder: string;
  readonly logFile: string;
  readonly env: NodeJS.ProcessEnv;
}

type PortVariable =
  | "OLLAMA_API_PORT"
  | "OLLAMA_WEB_PORT"
  | "OLLAMA_METRICS_PORT"
  | "OLLAMA_P2P_PORT";

/** How the daemons reach the registry that `up` runs, or the one that the user named. */
export interface DatabaseAddress {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string | undefined;
}

const PORT_STEP = 10;
const LOOPBACK = "127.0.0.1";

/**
 * Node i (from 1) gets every port + 10·(i − 1) and a folder of its own; everything else that the user set is handed on.
 */
export function planNodes(
  config: Config,
  env: NodeJS.ProcessEnv,
  count: number,
  database: DatabaseAddress,
): NodePlan[] {
  return Array.from({ length: count }, (_, index) => {
    const name = count === 1 ? config.OLLAMA_NODE_NAME : `node-${index + 1}`;
    const folder = nodeFolder(config.OLLAMA_DATA_DIR, index + 1);
    const modelsFolder = path.join(folder, "models");
    const portTexts = Object.entries(nodePorts(config, index)).map(([variable, port]) => [
      variable,
      String(port),
    ]);
    return {
      name,
      folder,
      modelsFolder,
      logFile: path.join(folder, "node.log"),
      env: {
        ...env,
        ...Object.fromEntries(portTexts),
        OLLAMA_HOST: config.OLLAMA_HOST.host,
        OLLAMA_P2P_HOST: p2pHost(config, env),
        OLLAMA_NODE_NAME: name,
        OLLAMA_DATA_DIR: folder,
        OLLAMA_MODELS: modelsFolder,
        OLLAMA_DB_HOST: database.host,
        OLLAMA_DB_PORT: String(database.port),
        OLLAMA_DB_NAME: database.database,
        OLLAMA_DB_USER: database.user,
        ...(database.password === undefined ? {} : { OLLAMA_DB_PASSWORD: database.password }),
        // A Postgres of our own speaks no TLS, which production would ask it for.
        ...(config.OLLAMA_DB_HOST ? {} : { OLLAMA_DB_SSL_MODE: "disable" }),
      },
    };
  });
}

/** With a Postgres of our own, which is on loopback, no other machine can be meant to join. */
export function p2pHost(config: Config, env: NodeJS.ProcessEnv): string {
  const chosen = env["OLLAMA_P2P_HOST"] || config.OLLAMA_DB_HOST;
  return chosen ? config.OLLAMA_P2P_HOST : LOOPBACK;
}

/** The ports of node `index` (from 0). */
export function nodePorts(config: Config, index: number): Record<PortVariable, number> {
  const port = (variable: PortVariable): number =>
    config[variable] === 0 ? 0 : config[variable] + PORT_STEP * index;
  return {
    OLLAMA_API_PORT: port("OLLAMA_API_PORT"),
    OLLAMA_WEB_PORT: port("OLLAMA_WEB_PORT"),
    OLLAMA_METRICS_PORT: port("OLLAMA_METRICS_PORT"),
    OLLAMA_P2P_PORT: port("OLLAMA_P2P_PORT"),
  };
}

/** Where `up` keeps node `number` (from 1). */
export function nodeFolder(dataDir: string, number: number): string {
  return path.join(dataDir, `node-${number}`);
}
