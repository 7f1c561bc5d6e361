import { createInterface, type Interface } from "node:readline";
import { messageOf } from "../../../core/errors.ts";
import type { ApiClient } from "../api-client.ts";
import { writeAnswer } from "./answer.ts";
import { type OpenBlock, takeLine } from "./entry.ts";
import { type Action, parseCommand } from "./session-command.ts";
import { loadRequest, type Message, type Settings, saveRequest } from "./settings.ts";
import { shownPart } from "./shown-part.ts";

const PROMPT = ">>> ";
const PROMPT_IN_BLOCK = "... ";

/** A conversation in a terminal: what was typed is read by entry.ts and session-command.ts, and done here. */
export class Conversation implements Disposable {
  readonly #client: ApiClient;
  readonly #terminal: Interface;
  #settings: Settings;
  #messages: readonly Message[] = [];
  #open: OpenBlock | undefined;
  /** What runs now, and Ctrl-C ends. */
  #running: AbortController | undefined;
  #hasLeft = false;

  private constructor(client: ApiClient, settings: Settings, terminal: Interface) {
    this.#client = client;
    this.#settings = settings;
    this.#terminal = terminal;
  }

  static open(client: ApiClient, settings: Settings): Conversation {
    const terminal = createInterface({ input: process.stdin, output: process.stdout });
    return new Conversation(client, settings, terminal);
  }

  [Symbol.dispose](): void {
    this.#hasLeft = true;
    this.#terminal.close();
  }

  /** Returns when somebody leaves, or nobody reads what is written. */
  async hold(outputGone: AbortSignal): Promise<void> {
    const onGone = (): void => {
      this.#running?.abort();
      this.#terminal.close();
    };
    outputGone.addEventListener("abort", onGone, { once: true });
    this.#terminal.on("SIGINT", () => this.#interrupt());
    // Ctrl-D leaves the cursor behind the prompt.
    this.#terminal.on("close", () => {
      if (!this.#hasLeft) process.stdout.write("\n");
      this.#hasLeft = true;
    });
    console.log("Send a message (/? for help).");
    this.#prompt();
    for await (const line of this.#terminal) {
      await this.#take(line);
      if (this.#hasLeft) break;
      this.#prompt();
    }
  }

  #prompt(): void {
    this.#terminal.setPrompt(this.#open ? PROMPT_IN_BLOCK : PROMPT);
    this.#terminal.prompt();
  }

  /** Ctrl-C: ends what runs, or else drops what was typed. */
  #interrupt(): void {
    if (this.#running) {
      this.#running.abort();
      return;
    }
    if (this.#terminal.line === "") process.stdout.write("\nUse Ctrl + d or /bye to exit.\n");
    // Readline has no other way to empty its line than the keys for it.
    this.#terminal.write(null, { ctrl: true, name: "e" });
    this.#terminal.write(null, { ctrl: true, name: "u" });
    this.#open = undefined;
    this.#prompt();
  }

  async #take(line: string): Promise<void> {
    const { open, entry } = takeLine(this.#open, line);
    this.#open = open;
    if (!entry) return;
    const running = new AbortController();
    this.#running = running;
    try {
      if (entry.kind === "message") await this.#ask(entry.text, running.signal);
      else if (entry.kind === "command") {
        await this.#do(parseCommand(entry.text, this.#settings), running.signal);
      } else {
        this.#settings = { ...this.#settings, system: entry.text };
        console.log("Set system message.");
      }
    } catch (error) {
      if (!running.signal.aborted) console.error(`error: ${messageOf(error)}`);
    } finally {
      this.#running = undefined;
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
