import { AppError, isAborted } from "../core/errors.ts";
import { VERSION } from "../node/version.ts";
import { brokenOutput } from "./broken-output.ts";
import type { Command } from "./command.ts";
import { parseCommandLine } from "./command-line.ts";

/** Loaded when it is called: a node's components take most of a second to load, and most commands need few of them. */
interface Entry {
  /** One line for the list of commands. */
  readonly summary: string;
  readonly load: () => Promise<Command>;
}

const COMMANDS: Readonly<Record<string, Entry>> = {
  up: {
    summary: "start a cluster on this machine: Postgres, several nodes, a demo model",
    load: async () => (await import("./up.ts")).upCommand,
  },
  serve: {
    summary: "run one node in the foreground (also: start)",
    load: async () => (await import("./serve.ts")).serveCommand,
  },
  run: {
    summary: "talk to a model",
    load: async () => (await import("./client/run.ts")).runCommand,
  },
  list: {
    summary: "list the models that the cluster can serve (also: ls)",
    load: async () => (await import("./client/list.ts")).listCommand,
  },
  ps: {
    summary: "list the models that are loaded",
    load: async () => (await import("./client/list.ts")).psCommand,
  },
  show: {
    summary: "tell what is known of a model",
    load: async () => (await import("./client/show.ts")).showCommand,
  },
  pull: {
    summary: "get a model from its registry",
    load: async () => (await import("./client/manage.ts")).pullCommand,
  },
  push: {
    summary: "give a model to a registry",
    load: async () => (await import("./client/manage.ts")).pushCommand,
  },
  create: {
    summary: "make a model of a Modelfile",
    load: async () => (await import("./client/create.ts")).createCommand,
  },
  cp: {
    summary: "give a model another name",
    load: async () => (await import("./client/manage.ts")).copyCommand,
  },
  rm: {
    summary: "remove models",
    load: async () => (await import("./client/manage.ts")).removeCommand,
  },
  stop: {
    summary: "unload a model everywhere",
    load: async () => (await import("./client/manage.ts")).stopCommand,
  },
  nodes: {
    summary: "list the nodes of the cluster",
    load: async () => (await import("./client/cluster.ts")).nodesCommand,
  },
  replicas: {
    summary: "list which node holds which model",
    load: async () => (await import("./client/cluster.ts")).replicasCommand,
  },
  transfers: {
    summary: "list the models that are being copied between nodes",
    load: async () => (await import("./client/transfers.ts")).transfersCommand,
  },
  drain: {
    summary: "empty a node, so that it can be taken away",
    load: async () => (await import("./client/drain.ts")).drainCommand,
  },
  undrain: {
    summary: "let a node that was drained take requests again",
    load: async () => (await import("./client/drain.ts")).undrainCommand,
  },
  import: {
    summary: "make a model of a GGUF file",
    load: async () => (await import("./import.ts")).importCommand,
  },
  "import-leveldb": {
    summary: "take over the models of the store that was there before the registry",
    load: async () => (await import("./import-leveldb.ts")).importLevelDbCommand,
  },
  revoke: {
    summary: "shut a node out of the cluster, and change the cluster's key",
    load: async () => (await import("./revoke.ts")).revokeCommand,
  },
  "rotate-key": {
    summary: "change the cluster's key without shutting anybody out",
    load: async () => (await import("./rotate-key.ts")).rotateKeyCommand,
  },
  key: {
    summary: "make, list and revoke the keys that clients call the API with",
    load: async () => (await import("./key.ts")).keyCommand,
  },
  registry: {
    summary: "move the embedded database into a Postgres server",
    load: async () => (await import("./registry.ts")).registryCommand,
  },
  migrate: {
    summary: "check the database's schema, or bring it up to this version's",
    load: async () => (await import("./migrate.ts")).migrateCommand,
  },
  config: {
    summary: "print the effective configuration, secrets masked",
    load: async () => (await import("./config.ts")).configCommand,
  },
};

/** Ollama's other names. */
const ALIASES: Readonly<Record<string, string>> = { ls: "list", start: "serve" };
const COMMAND_WIDTH = Math.max(...Object.keys(COMMANDS).map((name) => name.length));
const EXIT = { ok: 0, failed: 1, usage: 2 } as const;
/** Mistakes in what the user wrote, as against things that went wrong. */
const USAGE_CODES = ["CONFIG_INVALID", "USAGE"];

/** Runs one command and returns the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  const [first = "--help", ...others] = argv;
  // `help run` is `run --help`.
  const isHelp = first === "help" && others[0] !== undefined && !others[0].startsWith("-");
  const [given = "", ...rest] = isHelp ? [others[0], "--help"] : [first, ...others];
  const name = Object.hasOwn(ALIASES, given) ? (ALIASES[given] ?? given) : given;
  if (name === "--version" || name === "-v") {
    console.log(`ollamamax ${VERSION}`);
    return EXIT.ok;
  }
  if (name === "--help" || name === "-h" || name === "help") {
    console.log(overview());
    return EXIT.ok;
  }
  const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!entry) {
    const what = name.startsWith("-") ? "option" : "command";
    console.error(`ollamamax: there is no ${what} "${name}". See ollamamax --help.`);
    return EXIT.usage;
  }
  try {
    return await runCommand(name, await entry.load(), rest);
  } catch (error) {
    return tell(error);
  }
}

async function runCommand(name: string, command: Command, argv: string[]): Promise<number> {
  const given = parseCommandLine(name, command, argv);
  if (given.options["help"]) {
    console.log(helpOf(name, command));
    return EXIT.ok;
  }
  const outputGone = brokenOutput();
  try {
    return await command.run(given, outputGone);
  } catch (error) {
    // Whoever read it, such as head, has all that it wanted.
    if (outputGone.aborted && isAborted(error)) return EXIT.ok;
    throw error;
  }
}

function tell(error: unknown): number {
  // Whoever pressed Ctrl-C knows.
  if (isAborted(error)) return EXIT.failed;
  if (error instanceof AppError) {
    for (const line of error.message.split("\n")) console.error(`ollamamax: ${line}`);
    return USAGE_CODES.includes(error.code) ? EXIT.usage : EXIT.failed;
  }
  console.error(error);
  return EXIT.failed;
}

function overview(): string {
  const rows = Object.entries(COMMANDS).map(
    ([name, { summary }]) => `  ollamamax ${name.padEnd(COMMAND_WIDTH)} ${summary}`,
  );
  return [
    "OllamaMax: a peer-to-peer cluster for language models, a drop-in for Ollama clients.",
    "",
    ...rows,
    "",
    "  ollamamax COMMAND --help    what a command takes",
    "  ollamamax --version",
    "",
    "run to undrain call the node at OLLAMA_HOST (127.0.0.1:11434), with OLLAMA_API_KEY where keys are asked for. Everything else",
    "is set by environment variables: ollamamax config --help lists them.",
  ].join("\n");
}

function helpOf(name: string, command: Command): string {
  return `ollamamax ${name}${command.usage ? ` ${command.usage}` : ""}\n\n${command.help}`;
}
