import { text } from "node:stream/consumers";
import { parseKeepAlive } from "../../core/duration.ts";
import { AppError } from "../../core/errors.ts";
import { shutdownSignal } from "../../node/shutdown.ts";
import type { Arguments, Command } from "../command.ts";
import { ApiClient, ClientError, type Json } from "./api-client.ts";
import { writeAnswer } from "./conversation/answer.ts";
import { Conversation } from "./conversation/conversation.ts";
import { loadRequest, type Settings, settingsFor } from "./conversation/settings.ts";
import { userMessage } from "./conversation/user-message.ts";
import { followStatus } from "./follow-status.ts";

const STOP_MS = 2_000;

export const runCommand: Command = {
  usage: "MODEL [PROMPT...] [OPTIONS]",
  help: [
    "Talks to a model: one answer to what comes on standard input and to PROMPT, or a conversation in a terminal.",
    "A model that the cluster does not have is pulled first. One that sees or hears gets the pictures and sounds whose paths are in a message.",
    "",
    "  --system TEXT       what the model is told before",
    "  --format json       an answer that is JSON; or a JSON Schema that it follows",
    "  --think[=LEVEL]     let it think first, where it can (low, medium, high, max); --think=false: let it not",
    "  --hidethinking      do not show what it thinks",
    "  --keepalive TIME    how long it stays loaded, such as 5m, or -1 for ever",
    "  --insecure          pull it also over plain HTTP",
    "  --nowordwrap        means nothing: the terminal wraps lines",
    "  -v, --verbose       times and token counts after each answer",
  ].join("\n"),
  options: {
    system: { type: "string" },
    format: { type: "string" },
    think: { type: "string" },
    hidethinking: { type: "boolean" },
    keepalive: { type: "string" },
    insecure: { type: "boolean" },
    nowordwrap: { type: "boolean" },
    verbose: { type: "boolean", short: "v" },
  },
  optionalValues: { think: "true" },
  positionals: ["MODEL"],
  restPositional: "PROMPT",
  run: async ({ options, positionals: [model = "", ...words] }, outputGone) => {
    const client = ApiClient.of(process.env);
    const wanted = settingsOf(model, options);
    const piped = process.stdin.isTTY ? "" : await text(process.stdin);
    const settings = await ready(client, wanted, options["insecure"] === true, outputGone);
    const question = questionOf(piped, words);
    if (question !== "") await answer(client, settings, question, outputGone);
    else if (process.stdin.isTTY && process.stdout.isTTY) {
      using conversation = Conversation.open(client, settings);
      await conversation.hold(outputGone);
    }
    return 0;
  },
};

/** As Ollama joins them. */
export function questionOf(piped: string, words: readonly string[]): string {
  const question = [piped, ...words].filter((part) => part !== "").join(" ");
  return question.trim() === "" ? "" : question;
}

export function settingsOf(model: string, options: Arguments["options"]): Settings {
  const { system, format, keepalive, think } = options;
  return {
    model,
    takes: [],
    system: typeof system === "string" ? system : undefined,
    options: {},
    format: typeof format === "string" ? formatOf(format) : undefined,
    think: typeof think === "string" ? thinkOf(think) : undefined,
    keepAlive: typeof keepalive === "string" ? keepAliveOf(keepalive) : undefined,
    isVerbose: options["verbose"] === true,
    hidesThinking: options["hidethinking"] === true,
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

const LEVELS: readonly string[] = ["low", "medium", "high", "max"];

function thinkOf(text: string): boolean | string {
  if (text === "true" || text === "false") return text === "true";
  if (LEVELS.includes(text)) return text;
  throw new AppError("USAGE", `--think takes true, false, ${LEVELS.join(", ")}, not "${text}"`);
}

function keepAliveOf(text: string): string | number {
  const keepAlive = /^-?\d+$/.test(text) ? Number(text) : text;
  try {
    parseKeepAlive(keepAlive);
    return keepAlive;
  } catch {
    throw new AppError("USAGE", `--keepalive takes a time such as 5m, or -1, not "${text}"`);
  }
}

/** Loaded when the first question comes; pulled when nobody has it. */
async function ready(
  client: ApiClient,
  settings: Settings,
  isInsecure: boolean,
  outputGone: AbortSignal,
): Promise<Settings> {
  const { model } = settings;
  const show = async (): Promise<Json> => await client.send("POST", "/api/show", { model });
  const shown = await show().catch(async (error: unknown) => {
    if (!(error instanceof ClientError) || error.status !== 404) throw error;
    const body = { model, ...(isInsecure && { insecure: true }) };
    await followStatus(client, "/api/pull", body, false, outputGone);
    return await show();
  });
  await client.send("POST", "/api/generate", loadRequest(settings));
  return settingsFor(model, shown, settings);
}

async function answer(
  client: ApiClient,
  settings: Settings,
  question: string,
  outputGone: AbortSignal,
): Promise<void> {
  using stopping = shutdownSignal({ deadlineMs: STOP_MS });
  const signal = AbortSignal.any([stopping, outputGone]);
  await writeAnswer(client, settings, [await userMessage(question, settings)], signal);
}
