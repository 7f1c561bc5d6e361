import type { ParseArgsConfig } from "node:util";

/** What parseArgs gave. */
export interface Arguments {
  readonly options: Readonly<Record<string, string | boolean | undefined>>;
  readonly positionals: readonly string[];
}

/** One command of the CLI, one file. */
export interface Command {
  /** Shown by --help, without the command line's name. */
  readonly usage: string;
  readonly help: string;
  readonly options: NonNullable<ParseArgsConfig["options"]>;
  /** The names of its positional arguments that are required. */
  readonly positionals: readonly string[];
  /** Those that may come after them. */
  readonly optionalPositionals?: readonly string[];
  /** Returns the exit code. Errors with a code are told in one line by the caller. */
  run(given: Arguments): Promise<number>;
}
