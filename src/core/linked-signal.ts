import type { Waiting } from "./ports.ts";

/**
 * A signal that aborts when one of its sources does, until it is disposed. In the way of every request it stands for
 * `AbortSignal.any`, whose result takes several times as long to make and to listen to, because it is to be
 * collected without anybody saying that it is over.
 */
export class LinkedSignal implements Waiting, Disposable {
  readonly #controller = new AbortController();
  readonly #sources: readonly AbortSignal[];

  constructor(...sources: readonly AbortSignal[]) {
    this.#sources = sources;
    for (const source of sources) source.addEventListener("abort", this);
    const aborted = sources.find((source) => source.aborted);
    if (aborted) this.abort(aborted.reason);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  abort(reason: unknown): void {
    this.#controller.abort(reason);
  }

  /** An EventListener: the object itself, so that nothing needs to be made for it. */
  handleEvent({ target }: Event): void {
    if (target instanceof AbortSignal) this.abort(target.reason);
  }

  [Symbol.dispose](): void {
    for (const source of this.#sources) source.removeEventListener("abort", this);
  }
}
