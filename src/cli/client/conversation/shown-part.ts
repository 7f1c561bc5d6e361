import type { Json } from "../api-client.ts";
import { modelSections } from "../show.ts";
import type { ShowPart } from "./session-command.ts";
import type { Settings } from "./settings.ts";

const NAME_WIDTH = 30;

/** What `/show` prints of the answer of POST /api/show. */
export function shownPart(part: ShowPart, shown: Json, settings: Settings): string {
  return PARTS[part](shown, settings);
}

const orNone =
  (part: "license" | "template", what: string) =>
  (shown: Json): string =>
    `${shown[part] || `No ${what} was specified for this model.`}`;

const PARTS: Readonly<Record<ShowPart, (shown: Json, settings: Settings) => string>> = {
  info: (shown) => modelSections(shown, false),
  license: orNone("license", "license"),
  modelfile: (shown) => `${shown["modelfile"] ?? ""}`,
  parameters: parametersOf,
  system: (shown, { system }) =>
    `${system || shown["system"] || "No system message was specified for this model."}`,
  template: orNone("template", "prompt template"),
};

function parametersOf(shown: Json, { options }: Settings): string {
  const own = `${shown["parameters"] ?? ""}`.split("\n").filter((line) => line !== "");
  const none = "No additional parameters were specified for this model.";
  const set = Object.entries(options).map(
    ([name, value]) =>
      `${name.padEnd(NAME_WIDTH)} ${Array.isArray(value) ? value.join(", ") : value}`,
  );
  const rows = (heading: string, lines: readonly string[]): string[] =>
    lines.length === 0 ? [] : [heading, ...lines.map((line) => `  ${line}`), ""];
  return [
    ...rows("Model defined parameters:", own.length > 0 ? own : [none]),
    ...rows("User defined parameters:", set),
  ].join("\n");
}
