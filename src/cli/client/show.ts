import { AppError } from "../../core/errors.ts";
import { readable } from "../cells.ts";
import type { Command } from "../command.ts";
import { formatTable } from "../table.ts";
import { ApiClient, entriesOf, type Json } from "./api-client.ts";

/** Each prints one field as it is. */
const PARTS = ["license", "modelfile", "parameters", "system", "template"] as const;
const LICENSE_LINES = 2;

export const showCommand: Command = {
  usage:
    "MODEL [--license | --modelfile | --parameters | --system | --template] [--verbose] [--json]",
  help: [
    "Tells what is known of a model.",
    "",
    "  --license, --modelfile, --parameters, --system, --template   that part alone, as it is",
    "  --verbose   every value of the file's metadata, and its tensors",
    "  --json      as the API says it",
  ].join("\n"),
  options: {
    ...Object.fromEntries(PARTS.map((part) => [part, { type: "boolean" as const }])),
    verbose: { type: "boolean", short: "v" },
    json: { type: "boolean" },
  },
  positionals: ["MODEL"],
  run: async ({ options, positionals: [model = ""] }) => {
    const wanted = PARTS.filter((part) => options[part]);
    if (wanted.length > 1) {
      throw new AppError(
        "USAGE",
        `only one of ${wanted.map((part) => `--${part}`).join(", ")} can be shown`,
      );
    }
    const verbose = options["verbose"] === true;
    const shown = await ApiClient.of(process.env).send("POST", "/api/show", { model, verbose });
    const [part] = wanted;
    if (options["json"]) console.log(JSON.stringify(shown));
    else {
      const text = part ? `${shown[part] ?? ""}` : modelSections(shown, verbose);
      console.log(readable(text, process.stdout));
    }
    return 0;
  },
};

/** For people. */
export function modelSections(shown: Json, verbose: boolean): string {
  const details = record(shown["details"]);
  const info = record(shown["model_info"]);
  const architecture = `${info["general.architecture"] ?? details["family"] ?? ""}`;
  const rows: (readonly [string, unknown])[] = [
    ["architecture", architecture],
    ["parameters", details["parameter_size"]],
    ["context length", info[`${architecture}.context_length`]],
    ["embedding length", info[`${architecture}.embedding_length`]],
    ["quantization", details["quantization_level"]],
    ["requires", shown["requires"]],
  ];
  const capabilities = Array.isArray(shown["capabilities"]) ? shown["capabilities"] : [];
  const parameters = `${shown["parameters"] ?? ""}`.split("\n").filter((line) => line !== "");
  const license = `${shown["license"] ?? ""}`.split("\n").filter((line) => line.trim() !== "");
  return [
    section("Model", known(rows)),
    section(
      "Capabilities",
      capabilities.map((name) => [`${name}`]),
    ),
    section(
      "Parameters",
      parameters.map((line) => line.split(/\s+(.*)/).slice(0, 2)),
    ),
    section("Projector", projectorRows(record(shown["projector_info"]))),
    section("System", shown["system"] ? linesOf(shown["system"]) : []),
    section(
      "License",
      license.slice(0, LICENSE_LINES).map((line) => [line.trim()]),
    ),
    section(
      "Metadata",
      verbose ? Object.entries(info).map(([name, value]) => [name, briefly(value)]) : [],
    ),
    section(
      "Tensors",
      verbose
        ? entriesOf(shown["tensors"]).map(({ name, type, shape }) => [
            ...[`${name}`, `${type}`, `[${Array.isArray(shape) ? shape.join(" ") : ""}]`],
          ])
        : [],
    ),
  ]
    .filter((text) => text !== "")
    .join("\n");
}

function linesOf(text: unknown): readonly (readonly string[])[] {
  return `${text}`.split("\n").map((line) => [line]);
}

function projectorRows(info: Json): readonly (readonly string[])[] {
  const architecture = `${info["general.architecture"] ?? ""}`;
  // Of one that hears only, what it hears with.
  const sense = `${architecture}.vision.embedding_length` in info ? "vision" : "audio";
  const rows: (readonly [string, unknown])[] = [
    ["architecture", architecture],
    ["embedding length", info[`${architecture}.${sense}.embedding_length`]],
    ["dimensions", info[`${architecture}.${sense}.projection_dim`]],
  ];
  return known(rows);
}

function known(rows: readonly (readonly [string, unknown])[]): readonly (readonly string[])[] {
  return rows
    .filter(([, value]) => value !== undefined && value !== "")
    .map(([name, value]) => [name, `${value}`]);
}

/** A vocabulary has a hundred thousand words. */
const ITEMS_SHOWN_MAX = 8;
const ITEMS_CHARS_MAX = 60;

function briefly(value: unknown): string {
  if (!Array.isArray(value)) return JSON.stringify(value);
  const items: string[] = [];
  let chars = 0;
  for (const item of value.slice(0, ITEMS_SHOWN_MAX)) {
    const text = JSON.stringify(item);
    chars += text.length;
    if (items.length > 0 && chars > ITEMS_CHARS_MAX) break;
    items.push(text);
  }
  const more = value.length - items.length;
  return `[${items.join(", ")}${more > 0 ? `, +${more} more` : ""}]`;
}

function section(title: string, rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return "";
  const lines = formatTable(rows).split("\n");
  return `  ${title}\n${lines.map((line) => `    ${line}\n`).join("")}`;
}

function record(value: unknown): Json {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
