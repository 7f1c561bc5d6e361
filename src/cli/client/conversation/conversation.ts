import { messageOf } from "../../../core/errors.ts";
import { readable } from "../../cells.ts";
import type { ApiClient } from "../api-client.ts";
import { writeAnswer } from "./answer.ts";
import { type OpenBlock, takeText } from "./entry.ts";
import { type Action, isCommand, parseCommand } from "./session-command.ts";
import { loadRequest, type Message, type Settings, saveRequest, settingsFor } from "./settings.ts";
import { shownPart } from "./shown-part.ts";
import { Terminal } from "./terminal.ts";
import { userMessage } from "./user-message.ts";

const PROMPT = ">>> ";
const PROMPT_IN_BLOCK = "... ";

/** A conversation in a terminal: what was typed is read by entry.ts and session-command.ts, and done here. */
export class Conversation implements Disposable {
  readonly #client: ApiClient;
  readonly #terminal: Terminal;
  #settings: Settings;
  #messages: readonly Message[] = [];
  #open: OpenBlock | undefined;
  #hasLeft = false;

  private constructor(client: ApiClient, settings: Settings) {
    this.#client = client;
    this.#settings = settings;
    this.#terminal = Terminal.open({
      input: process.stdin,
      output: process.stdout,
      knowsEscapes: process.env["TERM"] !== "dumb",
      onInterrupt: (wasEmpty) => this.#interrupt(wasEmpty),
    });
  }

  static open(client: ApiClient, settings: Settings): Conversation {
    return new Conversation(client, settings);
  }

  [Symbol.dispose](): void {
    this.#terminal[Symbol.dispose]();
  }

  /** Returns when somebody leaves, or nobody reads what is written. */
  async hold(outputGone: AbortSignal): Promise<void> {
    const onGone = (): void => this.#terminal[Symbol.dispose]();
    outputGone.addEventListener("abort", onGone, { once: true });
    console.log("Send a message (/? for help).");
    this.#prompt();
    for await (const text of this.#terminal.texts()) {
      await this.#terminal.lend((interrupted) =>
        this.#take(text, AbortSignal.any([interrupted, outputGone])),
      );
      if (this.#hasLeft) return;
      this.#prompt();
    }
    // Ctrl-D leaves the cursor behind the prompt.
    process.stdout.write("\n");
  }

  #prompt(): void {
    this.#terminal.prompt(this.#open ? PROMPT_IN_BLOCK : PROMPT);
  }

  #interrupt(wasEmpty: boolean): void {
    if (wasEmpty) process.stdout.write("\nUse Ctrl + d or /bye to exit.\n");
    this.#open = undefined;
    this.#prompt();
  }

  async #take(text: string, signal: AbortSignal): Promise<void> {
    const { open, entry } = takeText(this.#open, text);
    this.#open = open;
    if (!entry) return;
    try {
      if (entry.kind === "message") await this.#ask(entry.text, signal);
      else if (entry.kind === "command") await this.#doOrAsk(entry.text, signal);
      else {
        this.#settings = { ...this.#settings, system: entry.text };
        console.log("Set system message.");
      }
    } catch (error) {
      if (!signal.aborted) console.error(`error: ${messageOf(error)}`);
    }
  }

  /** An answer that did not come to its end is forgotten with its question. */
  async #ask(question: string | Message, signal: AbortSignal): Promise<void> {
    const message =
      typeof question === "string" ? await userMessage(question, this.#settings) : question;
    const asked: readonly Message[] = [...this.#messages, message];
    const content = await writeAnswer(this.#client, this.#settings, asked, signal);
    console.log();
    this.#messages = [...asked, { role: "assistant", content }];
  }

  /** The path of a picture or a sound begins as a command does. */
  async #doOrAsk(line: string, signal: AbortSignal): Promise<void> {
    const message = isCommand(line) ? undefined : await userMessage(line, this.#settings);
    if (message?.images) await this.#ask(message, signal);
    else await this.#do(parseCommand(line, this.#settings), signal);
  }

  async #do(action: Action, signal: AbortSignal): Promise<void> {
    switch (action.kind) {
      case "say":
        return console.log(action.text);
      case "change":
        this.#settings = action.settings;
        return console.log(action.text);
      case "clear":
        this.#messages = [];
        return console.log("Cleared session context");
      case "leave":
        this.#hasLeft = true;
        return;
      case "load":
        return await this.#load(action.model, signal);
      case "save": {
        const body = saveRequest(action.model, this.#settings, this.#messages);
        await this.#client.send("POST", "/api/create", { ...body, stream: false }, signal);
        return console.log(`Created new model '${action.model}'`);
      }
      case "show": {
        const { model } = this.#settings;
        const shown = await this.#client.send("POST", "/api/show", { model }, signal);
        const text = shownPart(action.part, shown, this.#settings);
        return console.log(readable(text, process.stdout));
      }
    }
  }

  async #load(model: string, signal: AbortSignal): Promise<void> {
    console.log(`Loading model '${model}'`);
    const shown = await this.#client.send("POST", "/api/show", { model }, signal);
    const settings = settingsFor(model, shown, this.#settings);
    await this.#client.send("POST", "/api/generate", loadRequest(settings), signal);
    this.#settings = settings;
    this.#messages = [];
  }
}
