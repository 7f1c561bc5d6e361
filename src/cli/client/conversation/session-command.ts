import { messageOf } from "../../../core/errors.ts";
import { parseParameter } from "../../../core/modelfile.ts";
import { commandHelp, type HelpTopic } from "./command-help.ts";
import type { Settings } from "./settings.ts";

export const SHOW_PARTS = [
  ...["info", "license", "modelfile", "parameters", "system", "template"],
] as const;
export type ShowPart = (typeof SHOW_PARTS)[number];

/** What a command asks for. `say` is only a text; `change` has one too. */
export type Action =
  | { readonly kind: "say"; readonly text: string }
  | { readonly kind: "change"; readonly settings: Settings; readonly text: string }
  | { readonly kind: "show"; readonly part: ShowPart }
  | { readonly kind: "load" | "save"; readonly model: string }
  | { readonly kind: "clear" | "leave" };

type Parse = (words: readonly string[], settings: Settings) => Action;

const say = (text: string): Action => ({ kind: "say", text });
const unknown = (command: string): Action => say(`Unknown command '${command}'. Type /? for help`);

/** Whether a line that begins with a slash is meant as a command, and not as a path. */
export function isCommand(line: string): boolean {
  return Object.hasOwn(COMMANDS, line.split(/\s+/)[0] ?? "");
}

/** Reads a line that begins with a slash. The texts are Ollama's (cmd/interactive.go). */
export function parseCommand(line: string, settings: Settings): Action {
  const [name = "", ...words] = line.split(/\s+/);
  const parse = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  return parse?.(words, settings) ?? unknown(name);
}

const withModel =
  (kind: "load" | "save"): Parse =>
  ([model, ...more]) =>
    model === undefined || more.length > 0 ? say(`Usage:\n  /${kind} MODEL`) : { kind, model };

const HELP_TOPICS: Readonly<Record<string, HelpTopic>> = {
  ...{ set: "set", "/set": "set", show: "show", "/show": "show" },
  ...{ shortcut: "shortcuts", shortcuts: "shortcuts", parameters: "parameters" },
};

const help: Parse = ([topic = ""]) =>
  say(commandHelp((Object.hasOwn(HELP_TOPICS, topic) && HELP_TOPICS[topic]) || "commands"));

const show: Parse = ([word]) => {
  if (word === undefined) return say(commandHelp("show"));
  const part = SHOW_PARTS.find((part) => part === word);
  return part ? { kind: "show", part } : unknown(`/show ${word}`);
};

const set: Parse = ([word, ...values], settings) => {
  if (word === undefined) return say(commandHelp("set"));
  const parse = Object.hasOwn(SETTINGS, word) ? SETTINGS[word] : undefined;
  return parse?.(values, settings) ?? unknown(`/set ${word}`);
};

const COMMANDS: Readonly<Record<string, Parse>> = {
  ...{ "/?": help, "/help": help, "/set": set, "/show": show },
  ...{ "/load": withModel("load"), "/save": withModel("save") },
  "/clear": () => ({ kind: "clear" }),
  "/bye": () => ({ kind: "leave" }),
  "/exit": () => ({ kind: "leave" }),
};

const mode =
  (name: string, change: Partial<Settings>): Parse =>
  (_words, settings) => ({
    ...{ kind: "change", settings: { ...settings, ...change }, text: `Set '${name}' mode.` },
  });

const think: Parse = ([level], settings) => ({
  kind: "change",
  settings: { ...settings, think: level ?? true },
  text: level === undefined ? "Set 'think' mode." : `Set 'think' mode to '${level}'.`,
});

const format: Parse = ([name], settings) =>
  name === "json"
    ? {
        kind: "change",
        settings: { ...settings, format: name },
        text: "Set format to 'json' mode.",
      }
    : say("Invalid or missing format. For 'json' mode use '/set format json'");

const parameter: Parse = ([name, ...values], settings) => {
  if (name === undefined || values.length === 0) return say(commandHelp("parameters"));
  try {
    const options = { ...settings.options, [name]: parseParameter(name, values) };
    const text = `Set parameter '${name}' to '${values.join(", ")}'`;
    return { kind: "change", settings: { ...settings, options }, text };
  } catch (error) {
    return say(`Couldn't set parameter: ${messageOf(error)}`);
  }
};

const SETTINGS: Readonly<Record<string, Parse>> = {
  // With a text it is no command: it may go over several lines.
  system: () => say(commandHelp("set")),
  parameter,
  format,
  noformat: (_words, settings) => ({
    ...{ kind: "change", settings: { ...settings, format: undefined }, text: "Disabled format." },
  }),
  think,
  nothink: mode("nothink", { think: false }),
  verbose: mode("verbose", { isVerbose: true }),
  quiet: mode("quiet", { isVerbose: false }),
  // The terminal wraps.
  wordwrap: mode("wordwrap", {}),
  nowordwrap: mode("nowordwrap", {}),
};
