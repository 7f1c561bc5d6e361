import { EventEmitter, on } from "node:events";
import { createInterface, type Interface, type Key } from "node:readline";

export interface TerminalOptions {
  readonly input: NodeJS.ReadableStream & { setRawMode?: (isRaw: boolean) => unknown };
  readonly output: NodeJS.WritableStream;
  /** Whether the terminal knows escape sequences. */
  readonly knowsEscapes: boolean;
  /** Ctrl-C while somebody types; what was typed is gone. */
  readonly onInterrupt: (wasEmpty: boolean) => void;
}

/** Asks the terminal to say where a paste begins and ends, and not to any more. */
const MARK_PASTES = "\x1b[?2004h";
const MARK_NO_PASTES = "\x1b[?2004l";
const PROMPT_IN_PASTE = "... ";

/**
 * What somebody types and sends by Enter, one text after another. A paste is part of one text, whatever lines it has. While an
 * answer is written the terminal is lent to it: readline, which draws its line anew at many keys, would write over the answer.
 */
export class Terminal implements Disposable {
  readonly #options: TerminalOptions;
  readonly #lines: Interface;
  readonly #sent = new EventEmitter();
  readonly #texts = on(this.#sent, "text", { close: ["close"] });
  #isPasting = false;
  #pasted: string[] = [];

  private constructor(options: TerminalOptions) {
    this.#options = options;
    const { input, output } = options;
    this.#lines = createInterface({ input, output, terminal: true });
    input.on("keypress", this.#onKey);
    this.#lines.on("line", (line) => this.#take(line));
    this.#lines.on("close", () => this.#sent.emit("close"));
    this.#lines.on("SIGINT", () => this.#interrupt());
    // Back from Ctrl-Z, readline has paused.
    this.#lines.on("SIGCONT", () => {
      this.#escape(MARK_PASTES);
      this.#lines.resume();
    });
    this.#escape(MARK_PASTES);
  }

  static open(options: TerminalOptions): Terminal {
    return new Terminal(options);
  }

  [Symbol.dispose](): void {
    this.#options.input.off("keypress", this.#onKey);
    this.#escape(MARK_NO_PASTES);
    this.#lines.close();
  }

  /** Until somebody presses Ctrl-D, or the terminal is closed. */
  async *texts(): AsyncGenerator<string> {
    for await (const [text] of this.#texts) yield text;
  }

  prompt(prompt: string): void {
    this.#lines.setPrompt(prompt);
    this.#lines.prompt();
  }

  /** Keys that are pressed meanwhile are read afterwards; Ctrl-C aborts. */
  async lend(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const interrupted = new AbortController();
    const onInterrupt = (): void => interrupted.abort();
    this.#lines.pause();
    this.#options.input.setRawMode?.(false);
    process.on("SIGINT", onInterrupt);
    try {
      await work(interrupted.signal);
    } finally {
      process.off("SIGINT", onInterrupt);
      this.#options.input.setRawMode?.(true);
    }
  }

  readonly #onKey = (_text: string | undefined, { name }: Key): void => {
    if (name === "paste-start") this.#isPasting = true;
    if (name === "paste-end") this.#isPasting = false;
  };

  #take(line: string): void {
    this.#pasted.push(line);
    if (this.#isPasting) {
      this.prompt(PROMPT_IN_PASTE);
      return;
    }
    const text = this.#pasted.join("\n");
    this.#pasted = [];
    this.#sent.emit("text", text);
  }

  #interrupt(): void {
    const wasEmpty = this.#lines.line === "" && this.#pasted.length === 0;
    // Readline has no other way to empty its line than the keys for it.
    this.#lines.write(null, { ctrl: true, name: "e" });
    this.#lines.write(null, { ctrl: true, name: "u" });
    this.#pasted = [];
    this.#options.onInterrupt(wasEmpty);
  }

  #escape(sequence: string): void {
    if (this.#options.knowsEscapes) this.#options.output.write(sequence);
  }
}
