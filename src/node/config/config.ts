import { readFileSync } from "node:fs";
import { homedir, hostname } from "node:os";
import path from "node:path";
import { z } from "zod";
import { AppError, messageOf } from "../../core/errors.ts";
import { closestName } from "./closest-name.ts";
import { IGNORED_VARIABLES, VARIABLES, type Variable } from "./variables.ts";

/** Exit code 2. The message has one line for each mistake. */
export class ConfigError extends AppError<"CONFIG_INVALID"> {}

type Name = keyof typeof VARIABLES;
type Parsed<V> = V extends { parse: (text: string) => infer T } ? Exclude<T, undefined> : never;
type Values = {
  readonly [N in Name]: (typeof VARIABLES)[N] extends { fallback: string }
    ? Parsed<(typeof VARIABLES)[N]>
    : Parsed<(typeof VARIABLES)[N]> | undefined;
};

export interface Setting {
  readonly name: string;
  readonly value: unknown;
  readonly source: "default" | "environment" | "file";
  readonly secret: boolean;
}

export interface Config extends Values {
  readonly OLLAMA_API_PORT: number;
  readonly OLLAMA_DATA_DIR: string;
  readonly OLLAMA_MODELS: string;
  readonly OLLAMA_NODE_NAME: string;
  readonly OLLAMA_AUTH_MODE: "off" | "required";
  readonly OLLAMA_DB_SSL_MODE: "disable" | "prefer" | "require" | "verify-full";
}

const API_PORT = 11_434;

/** Reads every OLLAMA_* variable. All mistakes are told at once. */
export function loadConfig(env: NodeJS.ProcessEnv): { config: Config; settings: Setting[] } {
  const { texts, problems } = collect(env);
  const parsed = schema.safeParse(Object.fromEntries(texts));
  if (!parsed.success) {
    problems.push(...parsed.error.issues.map((issue) => issue.message));
  }
  if (!parsed.success || problems.length > 0) {
    throw new ConfigError("CONFIG_INVALID", problems.join("\n"));
  }
  const config = withDefaults(parsed.data);
  refuseSharedPorts(config);
  refuseUnsafe(config);
  const settings = (Object.keys(VARIABLES) as Name[]).map((name) => ({
    name,
    value: config[name],
    source: sourceOf(name, env),
    secret: variable(name)?.secret ?? false,
  }));
  return { config, settings };
}

const schema = z.object(
  Object.fromEntries(
    Object.entries<Variable<unknown>>(VARIABLES).map(([name, spec]) => [name, field(name, spec)]),
  ),
) as unknown as z.ZodType<Values>;

function field(name: string, spec: Variable<unknown>): z.ZodType {
  return z
    .string()
    .optional()
    .transform((text, context) => {
      const given = text ?? spec.fallback;
      if (given === undefined) return undefined;
      const value = spec.parse(given);
      if (value === undefined) {
        const shown = spec.secret ? "(secret)" : JSON.stringify(given);
        context.addIssue(`${name}=${shown} is not valid: it must be ${spec.allowed}`);
      }
      return value;
    });
}

/** The texts by variable name, secrets read from their files; and what is wrong with the names and files. */
function collect(env: NodeJS.ProcessEnv): { texts: Map<string, string>; problems: string[] } {
  const texts = new Map<string, string>();
  const problems: string[] = [];
  for (const [name, raw] of Object.entries(env)) {
    if (!name.startsWith("OLLAMA_")) continue;
    const text = (raw ?? "").trim().replace(/^(["'])(.*)\1$/, "$2");
    if (text === "" || IGNORED_VARIABLES.includes(name)) continue;
    const secretName = name.endsWith("_FILE") ? name.slice(0, -"_FILE".length) : "";
    if (variable(name)) texts.set(name, text);
    else if (variable(secretName)?.secret) {
      const content = readSecret(name, text, problems);
      if (env[secretName])
        problems.push(`${name} and ${secretName} are both set: unset one of them`);
      else if (content !== undefined) texts.set(secretName, content);
    } else {
      const hint = closestName(name, Object.keys(VARIABLES));
      const advice = hint ? `Did you mean ${hint}?` : "See ollamamax config --help for the names.";
      problems.push(`${name}=${JSON.stringify(text)} is not a variable of OllamaMax. ${advice}`);
    }
  }
  return { texts, problems };
}

function variable(name: string): Variable<unknown> | undefined {
  return Object.hasOwn(VARIABLES, name) ? VARIABLES[name as Name] : undefined;
}

function readSecret(name: string, file: string, problems: string[]): string | undefined {
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    problems.push(`${name}=${JSON.stringify(file)} cannot be read: ${messageOf(error)}`);
    return undefined;
  }
}

function withDefaults(values: Values): Config {
  const root = process.getuid?.() === 0;
  const dataDir = path.resolve(
    values.OLLAMA_DATA_DIR ?? (root ? "/var/lib/ollamamax" : path.join(homedir(), ".ollamamax")),
  );
  const production = values.OLLAMA_ENVIRONMENT === "production";
  return {
    ...values,
    OLLAMA_API_PORT: values.OLLAMA_API_PORT ?? values.OLLAMA_HOST.port ?? API_PORT,
    OLLAMA_DATA_DIR: dataDir,
    OLLAMA_MODELS: path.resolve(values.OLLAMA_MODELS ?? path.join(dataDir, "models")),
    OLLAMA_NODE_NAME: values.OLLAMA_NODE_NAME ?? hostname(),
    OLLAMA_AUTH_MODE: values.OLLAMA_AUTH_MODE ?? (production ? "required" : "off"),
    OLLAMA_DB_SSL_MODE: values.OLLAMA_DB_SSL_MODE ?? (production ? "require" : "prefer"),
  };
}

const PORTS = [
  "OLLAMA_API_PORT",
  "OLLAMA_WEB_PORT",
  "OLLAMA_METRICS_PORT",
  "OLLAMA_P2P_PORT",
] as const;

function refuseSharedPorts(config: Config): void {
  for (const [index, name] of PORTS.entries()) {
    const other = PORTS.slice(0, index).find((before) => config[before] === config[name]);
    if (!other || config[name] === 0) continue;
    throw new ConfigError(
      "CONFIG_INVALID",
      `${other} and ${name} are both ${config[name]}: give each a port of its own`,
    );
  }
}

const LOOPBACK = /^(127\.\d+\.\d+\.\d+|::1|localhost)$/;

/** An open API must be somebody's choice: production never has one beyond loopback. */
function refuseUnsafe(config: Config): void {
  if (config.OLLAMA_ENVIRONMENT !== "production" || config.OLLAMA_AUTH_MODE !== "off") return;
  if (LOOPBACK.test(config.OLLAMA_HOST.host)) return;
  throw new ConfigError(
    "CONFIG_INVALID",
    `OLLAMA_HOST=${JSON.stringify(config.OLLAMA_HOST.host)} is not allowed in production while OLLAMA_AUTH_MODE is off: bind 127.0.0.1, or set OLLAMA_AUTH_MODE=required`,
  );
}

function sourceOf(name: string, env: NodeJS.ProcessEnv): Setting["source"] {
  if (env[name]) return "environment";
  return env[`${name}_FILE`] ? "file" : "default";
}
