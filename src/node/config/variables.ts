import { LOG_LEVELS } from "../../observability/logger.ts";
import * as parse from "./parsers.ts";

/** One environment variable: what it means, what it may hold, what it is when unset. README's table is made from these. */
export interface Variable<T> {
  readonly meaning: string;
  /** Ends the sentence "must be …". */
  readonly allowed: string;
  readonly parse: (text: string) => T | undefined;
  /** Of an unset variable, as text to be parsed; absent: there is none, and the value is undefined. */
  readonly fallback?: string;
  /** What the table shows in place of the fallback. */
  readonly shown?: string;
  /** Never printed, and may come from a file named by `<name>_FILE`. */
  readonly secret?: true;
}

const PORT = "a port number from 0 (any free port) to 65535";
const COUNT = "a whole number of at least 1";
const count = parse.wholeNumber(1, 1_000_000);
const DAYS = "a whole number from 1 to 36500";
const days = parse.wholeNumber(1, 36_500);
const SECONDS = "a duration such as 30s or 5m, or a number of seconds";
const text = (value: string): string => value;

const nodeVariables = {
  OLLAMA_HOST: {
    meaning: "address that the API binds, with or without a port (Ollama's forms)",
    allowed: parse.HOST_FORMS,
    parse: parse.hostForm,
    fallback: "127.0.0.1",
  },
  OLLAMA_API_PORT: { meaning: "API", allowed: PORT, parse: parse.port, shown: "11434" },
  OLLAMA_WEB_PORT: { meaning: "dashboard", allowed: PORT, parse: parse.port, fallback: "11435" },
  OLLAMA_METRICS_PORT: {
    meaning: "Prometheus metrics, at /metrics",
    allowed: PORT,
    parse: parse.port,
    fallback: "11436",
  },
  OLLAMA_P2P_PORT: { meaning: "libp2p", allowed: PORT, parse: parse.port, fallback: "4001" },
  OLLAMA_P2P_HOST: {
    meaning: "address that libp2p binds",
    allowed: "an IP address of this machine, or 0.0.0.0 or :: for all",
    parse: parse.ipAddress,
    fallback: "0.0.0.0",
    shown: "0.0.0.0; under up with its own Postgres 127.0.0.1",
  },
  OLLAMA_DATA_DIR: {
    meaning: "identity key, embedded database, state",
    allowed: "a folder",
    parse: text,
    shown: "~/.ollamamax; as root /var/lib/ollamamax",
  },
  OLLAMA_MODELS: {
    meaning: "models, in Ollama's own layout: an existing Ollama folder is served as it is",
    allowed: "a folder",
    parse: text,
    shown: "OLLAMA_DATA_DIR/models",
  },
  OLLAMA_NODE_NAME: {
    meaning: "this node's name, for people",
    allowed: "1 to 255 letters, digits, '.', '_' or '-'",
    parse: (value) => (/^[\w.-]{1,255}$/.test(value) ? value : undefined),
    shown: "the host's name",
  },
  OLLAMA_REGION: { meaning: "region, for placement and display", allowed: "text", parse: text },
  OLLAMA_ZONE: {
    meaning: "zone: a request stays in it where it can",
    allowed: "text",
    parse: text,
  },
  OLLAMA_ENVIRONMENT: {
    meaning: "how careful the defaults are",
    allowed: "development, test or production",
    parse: parse.oneOf(["development", "test", "production"]),
    fallback: "development",
  },
  OLLAMA_LOG_LEVEL: {
    meaning: "least severe log line that is written",
    allowed: LOG_LEVELS.join(", "),
    parse: parse.oneOf(LOG_LEVELS),
    fallback: "info",
  },
} as const satisfies Record<string, Variable<unknown>>;

const clusterVariables = {
  OLLAMA_CLUSTER_KEY: {
    meaning: "admits a node that has no database access",
    allowed: "32 random bytes in base64url (43 characters)",
    parse: parse.clusterKey,
    shown: "from the registry",
    secret: true,
  },
  OLLAMA_BOOTSTRAP_PEERS: {
    meaning: "peers to dial at the start",
    allowed: "multiaddrs separated by commas, such as /ip4/10.0.0.5/tcp/4001",
    parse: parse.multiaddrs,
    fallback: "",
  },
  OLLAMA_ANNOUNCE_ADDRESSES: {
    meaning: "addresses that others should dial, when they differ from the bound ones",
    allowed: "multiaddrs separated by commas, such as /ip4/10.0.0.5/tcp/14001",
    parse: parse.multiaddrs,
    fallback: "",
  },
  OLLAMA_LOCAL_LINKS: {
    meaning: "nodes of one machine talk over local sockets, without TLS",
    allowed: "true or false",
    parse: parse.boolean,
    fallback: "true",
  },
  OLLAMA_REPLICAS: {
    meaning: "wanted replicas of a model",
    allowed: COUNT,
    parse: count,
    fallback: "2",
  },
  OLLAMA_REQUEST_RETENTION_DAYS: {
    meaning: "days that the history of requests is kept, as the leading node has it set",
    allowed: DAYS,
    parse: days,
    fallback: "30",
  },
  OLLAMA_AUDIT_RETENTION_DAYS: {
    meaning: "days that the audit log is kept, as the leading node has it set",
    allowed: DAYS,
    parse: days,
    fallback: "90",
  },
  OLLAMA_AUTH_MODE: {
    meaning:
      "required: whoever calls the API needs a key (ollamamax key); off: nobody does, and production then stays on loopback",
    allowed: "off or required",
    parse: parse.oneOf(["off", "required"]),
    shown: "off; in production required",
  },
} as const satisfies Record<string, Variable<unknown>>;

const storeVariables = {
  OLLAMA_DB_HOST: {
    meaning: "Postgres server of the registry",
    allowed: "a host name or address",
    parse: parse.hostName,
    shown: "unset: an embedded Postgres under OLLAMA_DATA_DIR",
  },
  OLLAMA_DB_PORT: { meaning: "its port", allowed: PORT, parse: parse.port, fallback: "15432" },
  OLLAMA_DB_NAME: { meaning: "its database", allowed: "text", parse: text, fallback: "ollamamax" },
  OLLAMA_DB_USER: { meaning: "its user", allowed: "text", parse: text, fallback: "ollama_user" },
  OLLAMA_DB_PASSWORD: { meaning: "its password", allowed: "text", parse: text, secret: true },
  OLLAMA_DB_SSL_MODE: {
    meaning: "TLS to the database",
    allowed: "disable, prefer, require or verify-full",
    parse: parse.oneOf(["disable", "prefer", "require", "verify-full"]),
    shown: "prefer; in production require",
  },
  OLLAMA_DB_MAX_CONNECTIONS: {
    meaning: "pool: connections at most",
    allowed: COUNT,
    parse: count,
    fallback: "25",
  },
  OLLAMA_DB_IDLE_TIMEOUT: {
    meaning: "pool: an idle connection is closed after",
    allowed: SECONDS,
    parse: parse.duration("never"),
    fallback: "30s",
  },
  OLLAMA_DB_MAX_LIFETIME: {
    meaning: "pool: a connection is replaced after",
    allowed: SECONDS,
    parse: parse.duration("never"),
    fallback: "5m",
  },
  OLLAMA_DB_SLOW_QUERY: {
    meaning: "a query that takes longer is logged by its name; negative: none",
    allowed: SECONDS,
    parse: parse.duration("negative"),
    fallback: "1s",
  },
  OLLAMA_REDIS_HOST: {
    meaning: "Redis server of the cache, one for the whole cluster and no other",
    allowed: "a host name or address",
    parse: parse.hostName,
    shown: "unset: in-process",
  },
  OLLAMA_REDIS_PORT: { meaning: "its port", allowed: PORT, parse: parse.port, fallback: "16379" },
  OLLAMA_REDIS_PASSWORD: { meaning: "its password", allowed: "text", parse: text, secret: true },
  OLLAMA_REDIS_TLS: {
    meaning: "TLS to it",
    allowed: "true or false",
    parse: parse.boolean,
    fallback: "false",
  },
} as const satisfies Record<string, Variable<unknown>>;

const engineVariables = {
  OLLAMA_KEEP_ALIVE: {
    meaning: "how long an idle model stays loaded; negative: for ever",
    allowed: SECONDS,
    parse: parse.duration("negative"),
    fallback: "5m",
  },
  OLLAMA_NUM_PARALLEL: {
    meaning: "requests that a loaded model runs at once",
    allowed: "a whole number from 1 to 64",
    parse: parse.wholeNumber(1, 64),
    fallback: "4",
  },
  OLLAMA_TRANSFER_RATE: {
    meaning:
      "megabytes a second that copies of models may take at most, each way; 0: as fast as it goes",
    allowed: "a whole number",
    parse: parse.wholeNumber(0, 100_000),
    fallback: "0",
  },
  OLLAMA_MAX_QUEUE: {
    meaning: "requests that wait at most; further ones get 503",
    allowed: "a whole number",
    parse: parse.wholeNumber(0, 100_000),
    fallback: "512",
  },
  OLLAMA_MAX_LOADED_MODELS: {
    meaning: "models loaded at once at most; 0: as Ollama chooses (3)",
    allowed: "a whole number",
    parse: parse.wholeNumber(0, 1_000),
    fallback: "0",
  },
  OLLAMA_CONTEXT_LENGTH: {
    meaning:
      "context of a model whose request and PARAMETERs name none; 0: 4096 or the model's own",
    allowed: "a whole number",
    parse: parse.wholeNumber(0, 100_000_000),
    fallback: "0",
  },
  OLLAMA_LOAD_TIMEOUT: {
    meaning: "a load that stalls this long is given up; 0 or negative: never",
    allowed: SECONDS,
    parse: parse.duration("zero or negative"),
    fallback: "5m",
  },
  OLLAMA_ORIGINS: {
    meaning: "further origins that browsers may call from",
    allowed: "origins separated by commas",
    parse: parse.list,
    fallback: "",
  },
} as const satisfies Record<string, Variable<unknown>>;

export const VARIABLES = {
  ...nodeVariables,
  ...clusterVariables,
  ...storeVariables,
  ...engineVariables,
} as const satisfies Record<`OLLAMA_${string}`, Variable<unknown>>;

/** Ollama's own variables that mean nothing here: a machine that has them set for Ollama starts all the same. */
export const IGNORED_VARIABLES: readonly string[] = [
  "OLLAMA_API_KEY",
  "OLLAMA_AUTH",
  "OLLAMA_CLOUD_BASE_URL",
  "OLLAMA_DEBUG",
  "OLLAMA_DEBUG_LOG_REQUESTS",
  "OLLAMA_EDITOR",
  "OLLAMA_EXPERIMENT",
  "OLLAMA_FLASH_ATTENTION",
  "OLLAMA_GO_TEMPLATE",
  "OLLAMA_GPU_OVERHEAD",
  "OLLAMA_IGPU_ENABLE",
  "OLLAMA_KV_CACHE_TYPE",
  "OLLAMA_LLM_LIBRARY",
  "OLLAMA_MAX_TRANSFER_STREAMS",
  "OLLAMA_NOHISTORY",
  "OLLAMA_NOPRUNE",
  "OLLAMA_NO_CLOUD",
  "OLLAMA_REMOTES",
  "OLLAMA_SCHED_SPREAD",
  "OLLAMA_VULKAN",
];
