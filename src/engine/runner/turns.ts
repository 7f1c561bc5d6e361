/** Lets one at a time do what nobody else may do meanwhile, in the order in which they ask. */
export class Turns {
  #last: Promise<void> = Promise.resolve();

  take(): Turn {
    const { promise: over, resolve: end } = Promise.withResolvers<void>();
    const come = this.#last;
    this.#last = come.then(() => over);
    return { come, end, [Symbol.dispose]: end };
  }
}

export interface Turn extends Disposable {
  readonly come: Promise<void>;
  /** Also before it has come; once is enough. */
  readonly end: () => void;
}
