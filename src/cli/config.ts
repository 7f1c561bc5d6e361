import { loadConfig, type Setting } from "../node/config/config.ts";
import type { HostForm } from "../node/config/parsers.ts";
import { VARIABLES, type Variable } from "../node/config/variables.ts";
import type { Command } from "./command.ts";

const DURATIONS = Object.entries<Variable<unknown>>(VARIABLES)
  .filter(([, spec]) => spec.allowed.startsWith("a duration"))
  .map(([name]) => name);

export const configCommand: Command = {
  usage: "[--json]",
  help: [
    "Prints every setting, its value and where it comes from. A secret can also come from a",
    "file: NAME_FILE=/path in place of NAME. The variables:",
    "",
    ...Object.entries<Variable<unknown>>(VARIABLES).map(
      ([name, spec]) =>
        `  ${name.padEnd(26)} ${spec.meaning}\n  ${"".padEnd(26)} default: ${defaultOf(spec)}`,
    ),
  ].join("\n"),
  options: { json: { type: "boolean" } },
  positionals: [],
  run: async ({ options }) => {
    const { settings } = loadConfig(process.env);
    if (options["json"]) {
      const values = settings.map((setting) => [
        setting.name,
        { value: shownValue(setting), source: setting.source },
      ]);
      console.log(JSON.stringify(Object.fromEntries(values), null, 2));
      return 0;
    }
    for (const setting of settings) {
      const value = textOf(shownValue(setting));
      console.log(`${setting.name.padEnd(26)} ${value.padEnd(36)} ${setting.source}`);
    }
    return 0;
  },
};

function defaultOf(spec: Variable<unknown>): string {
  const fallback = spec.shown ?? spec.fallback ?? "";
  return fallback === "" ? "-" : fallback;
}

function shownValue({ name, value, secret }: Setting): unknown {
  if (value === undefined || value === null) return null;
  if (secret) return "(secret)";
  if (value === Number.POSITIVE_INFINITY) return "for ever";
  const isDuration = typeof value === "number" && DURATIONS.includes(name);
  return isDuration ? `${value / 1_000}s` : value;
}

/** OLLAMA_HOST, as it is written. */
function formatHost(value: object): string {
  const { host, port } = value as HostForm;
  const name = host.includes(":") ? `[${host}]` : host;
  return port === undefined ? name : `${name}:${port}`;
}

function textOf(value: unknown): string {
  if (value === null) return "-";
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return value.length === 0 ? "-" : value.join(",");
  return typeof value === "object" ? formatHost(value) : String(value);
}
