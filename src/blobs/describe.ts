import type { DescribeOptions, ModelDescription } from "../core/model.ts";
import { prefersChatTemplate } from "../core/template-choice.ts";
import { type Gguf, type GgufValue, SHORT_ARRAY_LENGTH_MAX } from "./gguf.ts";
import { goSyntax } from "./go-format.ts";
import {
  DEFAULT_TEMPLATE,
  formatModelfile,
  type ModelfileSource,
  parameterRows,
} from "./modelfile.ts";
import type { WholeModel } from "./whole-model.ts";

export interface DescribeSource extends Omit<ModelfileSource, "template" | "renderer" | "parser"> {
  readonly whole: WholeModel;
  readonly gguf: Gguf;
  readonly projector?: Gguf;
  readonly options: DescribeOptions;
}

/** The body of Ollama's POST /api/show, its fields in Ollama's order; empty texts and lists are left out as Go does. When it was modified is for the caller to say, of the name it was asked by. */
export function describeModel(source: DescribeSource): ModelDescription {
  const { gguf, projector, options } = source;
  const { verbose, parameters: set = {} } = options;
  const layers = { ...source.layers, ...(options.system && { system: options.system }) };
  const { record, config, facts } = source.whole;
  const { details } = record;
  const parameters = parameterRows(layers.parameters)
    .map(([name, value]) => `${name.padEnd(30)} ${goSyntax(value)}`)
    .join("\n");
  return withoutEmpty({
    license: layers.licenses.join("\n"),
    modelfile: formatModelfile({
      ...{ ...source, layers: { ...layers, parameters: { ...layers.parameters, ...set } } },
      template: layers.template ?? (facts.chatTemplate ? undefined : DEFAULT_TEMPLATE),
      renderer: config.renderer,
      parser: config.parser,
    }),
    parameters,
    template: shownTemplate(layers.template, facts.chatTemplate, config.renderer),
    system: layers.system,
    renderer: config.renderer,
    parser: config.parser,
    details: {
      parent_model: details.parentModel,
      format: details.format,
      family: details.family,
      families: details.families,
      parameter_size: details.parameterSize,
      quantization_level: details.quantizationLevel,
    },
    messages: layers.messages.map(({ role, content }) => ({ role, content })),
    remote_model: config.remote_model,
    remote_host: config.remote_host,
    model_info: infoOf(gguf, verbose, HIDDEN_KEYS),
    projector_info: projector && infoOf(projector, verbose, NO_KEYS),
    tensors: gguf.tensors,
    capabilities: record.capabilities,
    requires: config.requires,
  });
}

/** The one that is used: the Go TEMPLATE, unless there is none or the file's own (Jinja) is preferred. */
function shownTemplate(
  goTemplate: string | undefined,
  chatTemplate: string | undefined,
  renderer: string | undefined,
): string {
  const isUsed =
    goTemplate !== undefined && !prefersChatTemplate(chatTemplate, goTemplate, renderer);
  return isUsed ? goTemplate : (chatTemplate ?? DEFAULT_TEMPLATE);
}

const HIDDEN_KEYS: ReadonlySet<string> = new Set(["general.name", "tokenizer.chat_template"]);
const NO_KEYS: ReadonlySet<string> = new Set();

/** In the order of the keys, as Go's encoder writes a map. */
function infoOf(gguf: Gguf, verbose: boolean, hidden: ReadonlySet<string>): ModelDescription {
  const entries = [...gguf.metadata]
    .filter(([key]) => !hidden.has(key))
    .map(([key, value]) => [key, shown(value, verbose)] as const);
  const all = [...entries, ["general.parameter_count", gguf.parameterCount] as const];
  return Object.fromEntries(all.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function shown(value: GgufValue, verbose: boolean): unknown {
  if (typeof value === "bigint") return Number(value);
  if (typeof value !== "object") return value;
  if (!value.values || (!verbose && value.length > SHORT_ARRAY_LENGTH_MAX)) return null;
  return value.values.map((item) => (typeof item === "bigint" ? Number(item) : item));
}

function withoutEmpty(fields: Readonly<Record<string, unknown>>): ModelDescription {
  return Object.fromEntries(
    Object.entries(fields).filter(
      ([, value]) =>
        value !== undefined && value !== "" && !(Array.isArray(value) && value.length === 0),
    ),
  );
}
