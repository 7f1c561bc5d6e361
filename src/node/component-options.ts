import path from "node:path";
import type { Config } from "./config/config.ts";
import type { DatabaseAddress } from "./up/plan.ts";
import { OLLAMA_VERSION, VERSION } from "./version.ts";

/** What each component takes of the settings. */

export function registryOptions(config: Config, address: DatabaseAddress) {
  return {
    ...address,
    sslMode: config.OLLAMA_DB_HOST ? config.OLLAMA_DB_SSL_MODE : ("disable" as const),
    connectionsMax: config.OLLAMA_DB_MAX_CONNECTIONS,
    idleTimeoutMs: config.OLLAMA_DB_IDLE_TIMEOUT,
    lifetimeMaxMs: config.OLLAMA_DB_MAX_LIFETIME,
    slowStatementMs: config.OLLAMA_DB_SLOW_QUERY,
  };
}

export function cacheOptions(config: Config) {
  const { OLLAMA_REDIS_HOST: host, OLLAMA_REDIS_PORT: port, OLLAMA_REDIS_TLS: tls } = config;
  return host ? { redis: { host, port, tls, password: config.OLLAMA_REDIS_PASSWORD } } : {};
}

export function retentionOptions(config: Config) {
  return {
    requestsDays: config.OLLAMA_REQUEST_RETENTION_DAYS,
    auditDays: config.OLLAMA_AUDIT_RETENTION_DAYS,
  };
}

/** What the leader does by schedule may wait for some seconds. */
export function jobsOptions() {
  return { pollMs: 15_000 };
}

export function engineOptions(config: Config) {
  return {
    numParallel: config.OLLAMA_NUM_PARALLEL,
    maxQueue: config.OLLAMA_MAX_QUEUE,
    maxLoadedModels: config.OLLAMA_MAX_LOADED_MODELS || 3,
    contextLength: config.OLLAMA_CONTEXT_LENGTH,
    keepAliveMs: config.OLLAMA_KEEP_ALIVE,
    loadTimeoutMs: config.OLLAMA_LOAD_TIMEOUT,
  };
}

export function meshOptions(config: Config, clusterKeys: readonly Uint8Array[]) {
  return {
    listenHost: config.OLLAMA_P2P_HOST,
    p2pPort: config.OLLAMA_P2P_PORT,
    announceAddresses: config.OLLAMA_ANNOUNCE_ADDRESSES,
    bootstrapPeers: config.OLLAMA_BOOTSTRAP_PEERS,
    stateDir: path.join(config.OLLAMA_DATA_DIR, "mesh"),
    mdns: config.OLLAMA_ENVIRONMENT !== "test",
    localLinks: config.OLLAMA_LOCAL_LINKS,
    clusterKeys,
    denied: [],
  };
}

export function metricsOptions(config: Config) {
  return { host: config.OLLAMA_HOST.host, port: config.OLLAMA_METRICS_PORT };
}

export function apiOptions(config: Config) {
  return {
    host: config.OLLAMA_HOST.host,
    port: config.OLLAMA_API_PORT,
    webHost: config.OLLAMA_HOST.host,
    webPort: config.OLLAMA_WEB_PORT,
    origins: config.OLLAMA_ORIGINS,
    version: VERSION,
    ollamaVersion: OLLAMA_VERSION,
    nodeName: config.OLLAMA_NODE_NAME,
  };
}
