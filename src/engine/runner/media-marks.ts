import { randomUUID } from "node:crypto";
import type { Message } from "../../core/inference.ts";

/** What mtmd puts a picture or a sound in place of. The second is its old name, which it still takes for the first. */
export const MEDIA_MARK = "<__media__>";
const MEDIA_MARKS = /<__(media|image)__>/g;

/** A prompt with a mark of mtmd's for each medium, in order. */
export interface MarkedPrompt {
  readonly text: string;
  readonly images: readonly string[];
}

/**
 * Places pictures and sounds in a prompt. A template writes text only, so each goes through it as a mark, which nobody who writes
 * a prompt can guess; afterwards the marks that are still there say which of them the prompt has, and where.
 */
export class MediaMarks {
  readonly #nonce = randomUUID();
  readonly #images: string[] = [];

  /** Ollama's places: where the text says `[img]`, and before it for the others. */
  mark(message: Message): Message {
    const { images = [] } = message;
    let before = "";
    let { content } = message;
    for (const image of images) {
      const mark = this.#markOf(image);
      if (content.includes("[img]")) content = content.replace("[img]", () => mark);
      else before += mark;
    }
    return images.length === 0 ? message : { ...message, content: before + content };
  }

  /** A whole prompt's places: where it says [img-N], of this list's images; the others before it. */
  place(prompt: string, images: readonly string[]): string {
    const placed = new Set<string>();
    const text = prompt.replace(/\[img-(\d+)\]/g, (mark, index) => {
      const image = images[Number(index)];
      if (image === undefined) return mark;
      placed.add(image);
      return this.#markOf(image);
    });
    const others = images.filter((image) => !placed.has(image));
    return others.map((image) => this.#markOf(image)).join("") + text;
  }

  #markOf(image: string): string {
    const known = this.#images.indexOf(image);
    const index = known >= 0 ? known : this.#images.push(image) - 1;
    return `[img-${this.#nonce}-${index}]`;
  }

  /** What else looks like a mark of mtmd's is text, and becomes text that it does not know. */
  taken(rendered: string): MarkedPrompt {
    const images: string[] = [];
    const parts = this.#parts(rendered).map(({ text, image }) => {
      if (image === undefined) return text.replace(MEDIA_MARKS, "<__ $1__>");
      images.push(image);
      return MEDIA_MARK;
    });
    return { text: parts.join(""), images };
  }

  /** As Ollama shows a rendered prompt. */
  shown(rendered: string): string {
    let count = 0;
    return this.#parts(rendered)
      .map(({ text, image }) => (image === undefined ? text : `[img-${count++}]`))
      .join("");
  }

  #parts(rendered: string): { readonly text: string; readonly image?: string }[] {
    return rendered.split(new RegExp(`\\[img-${this.#nonce}-(\\d+)\\]`)).map((text, at) => {
      const image = at % 2 === 1 ? this.#images[Number(text)] : undefined;
      return image === undefined ? { text } : { text, image };
    });
  }
}
