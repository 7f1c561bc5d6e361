import type { ParseArgsConfig } from "node:util";

/** What the command line says. */
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
  /** Of the options with a value those that may stand alone, each with the value that it then has. */
  readonly optionalValues?: Readonly<Record<string, string>>;
  /** The names of its positional arguments that are required. */
  readonly positionals: readonly string[];
  /** Those that may come after them. */
  readonly optionalPositionals?: readonly string[];
  /** The name of any number of others at the end. */
  readonly restPositional?: string;
  /**
   * Returns the exit code. Errors with a code are told in one line by the caller. The signal tells that nobody reads standard
   * output any more: who writes for long ends then.
   */
  run(given: Arguments, outputGone: AbortSignal): Promise<number>;
}
