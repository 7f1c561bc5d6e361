import { createInterface } from "node:readline/promises";
import { text } from "node:stream/consumers";
import { AppError } from "../../core/errors.ts";
import type { Arguments, Command } from "../command.ts";
import { ApiClient, ClientError, type Json } from "./api-client.ts";
import { followStatus } from "./follow-status.ts";
import { humanDuration } from "./human.ts";

interface Message {
  readonly role: "user" | "assistant" | "system";
  readonly content: string;
}

interface Session {
  readonly client: ApiClient;
  /** Of every request. */
  readonly common: Json;
  readonly verbose: boolean;
}

export const runCommand: Command = {
  usage: "MODEL [PROMPT] [--system TEXT] [--format json] [--think] [--keepalive TIME] [--verbose]",
  help: [
    "Talks to a model: one answer to PROMPT and to what comes on standard input, or a conversation in a terminal.",
    "A model that the cluster does not have is pulled first.",
    "",
    "  --system TEXT       what the model is told before",
    "  --format json       an answer that is JSON; or a JSON Schema that it follows",
    "  --think             let it think first, where it can",
    "  --keepalive TIME    how long it stays loaded, such as 5m, or -1 for ever",
    "  --verbose           times and token counts after each answer",
  ].join("\n"),
  options: {
    system: { type: "string" },
    format: { type: "string" },
    think: { type: "boolean" },
    keepalive: { type: "string" },
    verbose: { type: "boolean" },
  },
  positionals: ["MODEL"],
  optionalPositionals: ["PROMPT"],
  run: async ({ options, positionals: [model = "", prompt = ""] }) => {
    const client = ApiClient.of(process.env);
    const session = {
      client,
      common: commonOf(model, options),
      verbose: options["verbose"] === true,
    };
    const system: Message[] = options["system"]
      ? [{ role: "system", content: `${options["system"]}` }]
      : [];
    const piped = process.stdin.isTTY ? "" : await text(process.stdin);
    await ready(session, model);
    const question = [prompt, piped.trim()].filter((part) => part !== "").join("\n\n");
    if (question !== "") await ask(session, [...system, { role: "user", content: question }]);
    else if (process.stdin.isTTY) await converse(session, system);
    return 0;
  },
};

function commonOf(model: string, options: Arguments["options"]): Json {
  const { format, keepalive, think } = options;
  return {
    model,
    ...(think === true && { think: true }),
    ...(keepalive !== undefined && {
      keep_alive: /^-?\d+$/.test(`${keepalive}`) ? Number(keepalive) : keepalive,
    }),
    ...(format !== undefined && { format: formatOf(`${format}`) }),
  };
}

function formatOf(text: string): unknown {
  if (text === "json") return text;
  try {
    return JSON.parse(text);
  } catch {
    throw new AppError("USAGE", "--format takes json, or a JSON Schema");
  }
}

/** Loaded when the first question comes; pulled when nobody has it. */
async function ready({ client, common }: Session, model: string): Promise<void> {
  const { keep_alive: keepAlive } = common;
  const load = { model, ...(keepAlive !== undefined && { keep_alive: keepAlive }) };
  try {
    await client.send("POST", "/api/show", { model });
  } catch (error) {
    if (!(error instanceof ClientError) || error.status !== 404) throw error;
    await followStatus(client, "/api/pull", { model }, false);
  }
  await client.send("POST", "/api/generate", load);
}

async function converse(session: Session, system: readonly Message[]): Promise<void> {
  const terminal = createInterface({
    input: process.stdin,
    output: process.stdout,
    prompt: ">>> ",
  });
  let messages = [...system];
  let answering: AbortController | undefined;
  terminal.on("SIGINT", () => {
    if (answering) answering.abort();
    else process.stdout.write("\nUse Ctrl-D or /bye to leave.\n>>> ");
  });
  console.log("/clear forgets the conversation, /bye leaves; Ctrl-C stops an answer.");
  terminal.prompt();
  for await (const line of terminal) {
    const question = line.trim();
    if (question === "/bye") break;
    if (question === "/clear") messages = [...system];
    else if (question !== "") {
      answering = new AbortController();
      const asked: Message[] = [...messages, { role: "user", content: question }];
      try {
        const content = await ask(session, asked, answering.signal);
        messages = [...asked, { role: "assistant", content }];
      } catch (error) {
        if (!answering.signal.aborted)
          console.error(`\n${error instanceof Error ? error.message : error}`);
      }
      answering = undefined;
    }
    terminal.prompt();
  }
  terminal.close();
}

/** Writes the answer as it comes, and returns it. */
async function ask(
  { client, common, verbose }: Session,
  messages: readonly Message[],
  signal?: AbortSignal,
): Promise<string> {
  let answer = "";
  let isThinking = false;
  for await (const item of client.stream("/api/chat", { ...common, messages }, signal)) {
    const { thinking = "", content = "" } = item["message"] as {
      thinking?: string;
      content?: string;
    };
    if (thinking !== "" && !isThinking) process.stdout.write("Thinking...\n");
    if (content !== "" && isThinking) process.stdout.write("\n...done thinking.\n\n");
    isThinking = thinking !== "" || (isThinking && content === "");
    process.stdout.write(thinking + content);
    answer += content;
    if (item["done"] === true && verbose) console.error(`\n${statistics(item)}`);
  }
  process.stdout.write("\n");
  return answer;
}

function statistics(end: Json): string {
  const rate = (count: unknown, ns: unknown): string =>
    `${((Number(count ?? 0) / Math.max(1, Number(ns ?? 0))) * 1e9).toFixed(2)} tokens/s`;
  return [
    `total duration:       ${humanDuration(end["total_duration"])}`,
    `load duration:        ${humanDuration(end["load_duration"])}`,
    `prompt eval count:    ${end["prompt_eval_count"] ?? 0} token(s)`,
    `prompt eval duration: ${humanDuration(end["prompt_eval_duration"])}`,
    `prompt eval rate:     ${rate(end["prompt_eval_count"], end["prompt_eval_duration"])}`,
    `eval count:           ${end["eval_count"] ?? 0} token(s)`,
    `eval duration:        ${humanDuration(end["eval_duration"])}`,
    `eval rate:            ${rate(end["eval_count"], end["eval_duration"])}`,
  ].join("\n");
}
