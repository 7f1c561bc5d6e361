import type { Waiting } from "../core/ports.ts";
import { Changes } from "./changes.ts";
import type { RunnerNeeds } from "./runner/protocol.ts";
import type { RunnerProcess } from "./runner-process.ts";

export interface LoadedRunner {
  readonly runner: RunnerProcess;
  readonly needs: RunnerNeeds;
}

export type LoadRunner = (
  o: Waiting & { readonly onProgress: (fraction: number) => void },
) => Promise<LoadedRunner>;

type Result = { readonly loaded: LoadedRunner } | { readonly error: unknown };

/** A load that several requests wait for. It is cancelled when the last of them is gone, not when one is. */
export class Loading {
  /** The configuration that is loaded. */
  readonly key: string;
  readonly changes = new Changes();
  /** Never rejects. */
  readonly settled: Promise<void>;
  readonly #cancelled = new AbortController();
  #fraction = 0;
  #result: Result | undefined;

  constructor(key: string, load: LoadRunner) {
    this.key = key;
    const onProgress = (fraction: number): void => {
      this.#fraction = fraction;
      this.changes.notify();
    };
    const settle = (result: Result): void => {
      this.#result = result;
      this.changes.notify();
    };
    this.settled = load({ signal: this.#cancelled.signal, onProgress }).then(
      (loaded) => settle({ loaded }),
      (error: unknown) => settle({ error }),
    );
  }

  get fraction(): number {
    return this.#fraction;
  }

  /** The runner once it is loaded; undefined while it loads; throws why it could not. */
  get result(): LoadedRunner | undefined {
    if (this.#result && "error" in this.#result) throw this.#result.error;
    return this.#result?.loaded;
  }

  get cancelled(): boolean {
    return this.#cancelled.signal.aborted;
  }

  cancel(): void {
    this.#cancelled.abort();
  }
}
