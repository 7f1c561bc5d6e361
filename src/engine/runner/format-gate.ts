import { type OutputFormat, spellingsOf } from "../../core/output-format.ts";

/** Longer than any mark, and than what stands between the channel's name and its message. */
const TAIL_CHARS = 256;
/** gpt-oss: the answer itself is the message in this channel. */
const FINAL_MESSAGE = /<\|channel\|>\s*final[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>/;

/**
 * Tells from when on an answer has to follow the format that was asked for: models that think do so freely first. Once open
 * it stays open.
 */
export class FormatGate {
  readonly #opens: (text: string) => boolean;
  #tail = "";
  #open: boolean;

  constructor(output: OutputFormat | undefined) {
    const close = output?.beginsThinking ? output.thinking?.close : undefined;
    const isHarmony = output?.calls === "harmony";
    const closes = spellingsOf(close ?? "");
    this.#opens = (text) =>
      isHarmony ? FINAL_MESSAGE.test(text) : closes.some((mark) => text.includes(mark));
    this.#open = close === undefined && !isHarmony;
  }

  get open(): boolean {
    return this.#open;
  }

  push(text: string): void {
    if (this.#open) return;
    const all = this.#tail + text;
    this.#open = this.#opens(all);
    this.#tail = all.slice(-TAIL_CHARS);
  }
}
