import { AppError } from "../core/errors.ts";
import type { Arguments, Command } from "./command.ts";

/**
 * Reads the arguments behind a command's name as Ollama's own command line does (spf13/pflag). Not by Node's parseArgs, which
 * refuses `--keepalive -1` and has no option whose value may be left out. A value is whatever comes next, or is behind `=`;
 * of an option that may stand alone only the latter. Behind `--` there are no options.
 */
export function parseCommandLine(
  name: string,
  command: Command,
  argv: readonly string[],
): Arguments {
  const options: Record<string, string | boolean> = {};
  const positionals: string[] = [];
  const rest = argv.values();
  const take = (option: string, written: string, given: string | undefined): void => {
    options[option] = optionValue(command, option, written, given, () => rest.next().value);
  };
  try {
    for (const argument of rest) {
      if (argument === "--") positionals.push(...rest);
      else if (argument.startsWith("--")) {
        const [, option = "", given] = /^--([^=]*)(?:=(.*))?$/s.exec(argument) ?? [];
        take(option, `--${option}`, given);
      } else if (/^-./.test(argument)) takeShort(command, argument.slice(1), take);
      else positionals.push(argument);
    }
    if (options["help"] !== true) checkCount(name, command, positionals.length);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    throw new AppError("USAGE", `${error.message}. See ollamamax ${name} --help.`);
  }
  return { options, positionals };
}

const HELP: Command["options"] = { help: { type: "boolean", short: "h" } };

function optionValue(
  command: Command,
  option: string,
  written: string,
  given: string | undefined,
  next: () => string | undefined,
): string | boolean {
  const known = { ...command.options, ...HELP };
  const type = Object.hasOwn(known, option) ? known[option]?.type : undefined;
  if (type === undefined) throw wrong(`there is no option ${written}`);
  if (type === "boolean") {
    if (given === undefined || given === "true") return true;
    if (given === "false") return false;
    throw wrong(`${written} takes no value`);
  }
  const value = given ?? command.optionalValues?.[option] ?? next();
  if (value === undefined) throw wrong(`${written} takes a value`);
  return value;
}

/** `-v`, `-vf FILE`, `-fFILE`, `-f=FILE`. */
function takeShort(
  command: Command,
  letters: string,
  take: (option: string, written: string, given: string | undefined) => void,
): void {
  const [letter = "", ...others] = letters;
  const known = Object.entries({ ...command.options, ...HELP });
  const [option, spec] = known.find(([, { short }]) => short === letter) ?? [];
  if (option === undefined) throw wrong(`there is no option -${letter}`);
  const behind = others.join("");
  const isWhole = spec?.type === "string" || behind.startsWith("=");
  take(option, `-${letter}`, (isWhole && behind.replace(/^=/, "")) || undefined);
  if (behind !== "" && !isWhole) takeShort(command, behind, take);
}

function checkCount(name: string, command: Command, count: number): void {
  const { positionals: required, optionalPositionals: optional = [], restPositional } = command;
  const countMax = restPositional ? Number.POSITIVE_INFINITY : required.length + optional.length;
  if (count >= required.length && count <= countMax) return;
  const isAtMost = count > countMax && optional.length > 0;
  const named = isAtMost ? [...required, ...optional] : required;
  throw wrong(
    `${name} takes ${isAtMost ? "at most " : ""}${named.join(" and ") || "no arguments"}`,
  );
}

function wrong(problem: string): AppError {
  return new AppError("USAGE", problem);
}
