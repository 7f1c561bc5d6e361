import { messageOf } from "../../../core/errors.ts";
import type { ApiClient } from "../api-client.ts";
import { writeAnswer } from "./answer.ts";
import { type OpenBlock, takeText } from "./entry.ts";
import { type Action, parseCommand } from "./session-command.ts";
import { loadRequest, type Message, type Settings, saveRequest } from "./settings.ts";
import { shownPart } from "./shown-part.ts";
import { Terminal } from "./terminal.ts";

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
      else if (entry.kind === "command") {
        await this.#do(parseCommand(entry.text, this.#settings), signal);
      } else {
        this.#settings = { ...this.#settings, system: entry.text };
        console.log("Set system message.");
      }
    } catch (error) {
      if (!signal.aborted) console.error(`error: ${messageOf(error)}`);
    }
  }

  /** An answer that did not come to its end is forgotten with its question. */
  async #ask(question: string, signal: AbortSignal): Promise<void> {
    const asked: readonly Message[] = [...this.#messages, { role: "user", content: question }];
    const content = await writeAnswer(this.#client, this.#settings, asked, signal);
    console.log();
    this.#messages = [...asked, { role: "assistant", content }];
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
        return console.log(shownPart(action.part, shown, this.#settings));
      }
    }
  }

  async #load(model: string, signal: AbortSignal): Promise<void> {
    console.log(`Loading model '${model}'`);
    const settings = { ...this.#settings, model };
    await this.#client.send("POST", "/api/generate", loadRequest(settings), signal);
    this.#settings = settings;
    this.#messages = [];
  }
}
