import { AppError } from "./errors.ts";

/** What is wrong with a Modelfile, in Ollama's words. */
export class ModelfileError extends AppError<"MODELFILE_INVALID"> {}

/** A Modelfile as POST /api/create wants it; `from` and `adapters` are names or paths, as they stand there. */
export interface Modelfile {
  /** The first is the model; more are further files of it, such as a projector. */
  readonly from: readonly string[];
  readonly adapters: readonly string[];
  readonly template?: string;
  readonly system?: string;
  readonly licenses: readonly string[];
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly messages: readonly { readonly role: string; readonly content: string }[];
  readonly renderer?: string;
  readonly parser?: string;
  readonly requires?: string;
  /** Parameters that Ollama knows no more, and drops. */
  readonly dropped: readonly string[];
}

interface Command {
  readonly name: string;
  /** A parameter's name, a message's role. */
  readonly word: string;
  readonly value: string;
  readonly line: number;
}

const COMMANDS = [
  ...["from", "license", "template", "system", "adapter", "draft", "renderer", "parser"],
  ...["parameter", "message", "requires"],
] as const;
const ROLES: readonly string[] = ["system", "user", "assistant"];
export const MODELFILE_CHARS_MAX = 16 * 1024 * 1024;

/** Reads what Ollama's parser reads (its parser/parser.go). Throws a ModelfileError. */
export function parseModelfile(text: string): Modelfile {
  if (text.length > MODELFILE_CHARS_MAX) {
    throw wrong(`a Modelfile has at most ${MODELFILE_CHARS_MAX} characters`);
  }
  const commands = readCommands(text.replace(/^\uFEFF/, "").replaceAll("\r\n", "\n"));
  const all = (name: string): string[] =>
    commands.filter((command) => command.name === name).map(({ value }) => value);
  const last = <K extends string>(name: K): { readonly [k in K]?: string } => {
    const value = all(name).at(-1);
    return value === undefined ? {} : ({ [name]: value } as { readonly [k in K]: string });
  };
  if (all("from").length === 0) throw wrong("no FROM line");
  if (all("draft").length > 0) throw wrong("DRAFT models are not supported");
  const requires = last("requires");
  if (requires.requires !== undefined && !SEMVER.test(requires.requires)) {
    throw wrong("requires must be a valid semver (e.g. 0.14.0)");
  }
  return {
    from: all("from"),
    adapters: all("adapter"),
    ...last("template"),
    ...last("system"),
    licenses: all("license"),
    ...parametersOf(commands.filter(({ name }) => name === "parameter")),
    messages: commands.filter(({ name }) => name === "message").map(messageOf),
    ...last("renderer"),
    ...last("parser"),
    ...requires,
  };
}

const SEMVER = /^v?\d+(\.\d+){0,2}(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/;

/** One after another: a comment, an empty line, or a command whose value may go over several lines between its quotes. */
function readCommands(text: string): Command[] {
  const commands: Command[] = [];
  let line = 1;
  for (let at = 0; at < text.length; ) {
    const end = lineEnd(text, at);
    const row = text.slice(at, end);
    if (/^\s*(#|$)/.test(row)) {
      at = end + 1;
      line++;
      continue;
    }
    const [head = "", word = ""] = /^\s*(\S+)[ \t]*/.exec(row) ?? [];
    const name = word.toLowerCase();
    if (!(COMMANDS as readonly string[]).includes(name)) {
      const known = COMMANDS.map((command) => `"${command}"`).join(", ");
      throw wrong(`(line ${line}): command must be one of ${known}`);
    }
    const [prefix = "", ownWord = ""] = WITH_WORD.includes(name)
      ? (/^(\S*)[ \t]*/.exec(row.slice(head.length)) ?? [])
      : [];
    const value = readValue(text, at + head.length + prefix.length);
    if (value === undefined) throw wrong("unexpected EOF");
    if (NAMES_MODEL.includes(name) && value.text === "") {
      throw wrong(`(line ${line}): ${word} needs a model's name or a path`);
    }
    commands.push({ name, word: ownWord, value: value.text, line });
    line += text.slice(at, value.end).split("\n").length;
    at = value.end + 1;
  }
  return commands;
}

const NAMES_MODEL: readonly string[] = ["from", "adapter", "draft"];
/** These have a word of their own before the value. */
const WITH_WORD: readonly string[] = ["parameter", "message"];

/** `end` is that of the line where the value ends; undefined: a quote is never closed. */
function readValue(
  text: string,
  start: number,
): { readonly text: string; readonly end: number } | undefined {
  for (const quote of ['"""', '"']) {
    if (!text.startsWith(quote, start)) continue;
    const close = text.indexOf(quote, start + quote.length);
    if (close < 0) return undefined;
    const end = lineEnd(text, close + quote.length);
    // Ollama takes what is behind the closing quote for no part of the value, but only when nothing is there.
    if (text.slice(close + quote.length, end).trim() === "") {
      return { text: text.slice(start + quote.length, close), end };
    }
    break;
  }
  const end = lineEnd(text, start);
  return { text: text.slice(start, end).trim(), end };
}

function lineEnd(text: string, at: number): number {
  const end = text.indexOf("\n", at);
  return end < 0 ? text.length : end;
}

function messageOf({ word, value, line }: Command): {
  readonly role: string;
  readonly content: string;
} {
  const role = word.toLowerCase();
  if (ROLES.includes(role)) return { role, content: value };
  throw wrong(`(line ${line}): message role must be one of "system", "user", or "assistant"`);
}

type Kind = "int" | "float" | "bool" | "strings";

const PARAMETERS: Readonly<Record<string, Kind>> = {
  ...{ num_ctx: "int", num_batch: "int", num_gpu: "int", main_gpu: "int", num_thread: "int" },
  ...{ use_mmap: "bool", draft_num_predict: "int", num_keep: "int", seed: "int" },
  ...{ num_predict: "int", top_k: "int", top_p: "float", min_p: "float", typical_p: "float" },
  ...{ repeat_last_n: "int", temperature: "float", repeat_penalty: "float" },
  ...{ presence_penalty: "float", frequency_penalty: "float", stop: "strings" },
};

const DROPPED: readonly string[] = [
  ...["penalize_newline", "low_vram", "f16_kv", "logits_all", "vocab_only", "use_mlock"],
  ...["mirostat", "mirostat_tau", "mirostat_eta"],
];

/** A parameter by itself, as an option of a request: only `stop` has more than one value. Throws a ModelfileError. */
export function parseParameter(name: string, values: readonly string[]): unknown {
  const kind = kindOf(name);
  if (kind === undefined) throw wrong(`unknown parameter '${name}'`);
  return kind === "strings" ? values : parseOne(kind, values[0] ?? "");
}

function kindOf(name: string): Kind | undefined {
  return Object.hasOwn(PARAMETERS, name) ? PARAMETERS[name] : undefined;
}

function parametersOf(commands: readonly Command[]): Pick<Modelfile, "parameters" | "dropped"> {
  const values = new Map<string, unknown>();
  const dropped = new Set<string>();
  for (const { word, value } of commands) {
    const name = word.toLowerCase();
    const kind = kindOf(name);
    if (DROPPED.includes(name)) dropped.add(name);
    else if (kind === undefined) throw wrong(`unknown parameter '${word}'`);
    else if (kind !== "strings") values.set(name, parseOne(kind, value));
    else {
      const before = values.get(name);
      values.set(name, [...(Array.isArray(before) ? before : []), value]);
    }
  }
  return { parameters: Object.fromEntries(values), dropped: [...dropped] };
}

const INTEGER = /^[+-]?\d+$/;
const FLOAT = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;
const TRUE: readonly string[] = ["1", "t", "T", "true", "TRUE", "True"];
const FALSE: readonly string[] = ["0", "f", "F", "false", "FALSE", "False"];

function parseOne(kind: Exclude<Kind, "strings">, text: string): unknown {
  if (kind === "bool") {
    if (TRUE.includes(text)) return true;
    if (FALSE.includes(text)) return false;
    throw wrong(`invalid bool value [${text}]`);
  }
  const number = (kind === "int" ? INTEGER : FLOAT).test(text) ? Number(text) : Number.NaN;
  const fits = kind === "int" ? Number.isSafeInteger(number) : Number.isFinite(number);
  if (fits) return number;
  throw wrong(`invalid ${kind} value [${text}]`);
}

function wrong(message: string): ModelfileError {
  return new ModelfileError("MODELFILE_INVALID", message);
}
