import { InferenceError, isAborted } from "../core/errors.ts";
import type { NodeId } from "../core/node-id.ts";
import type { PeerStream, Waiting } from "../core/ports.ts";
import type { Channel } from "./channel.ts";
import { END } from "./frames.ts";

export interface ExchangeOptions {
  readonly peer: NodeId;
  readonly protocol: string;
  readonly messageBytesMax: number;
  readonly nowMs: () => number;
  /** Called once, when the exchange is over; `clean` when the channel can carry the next one. */
  readonly onDone: (clean: boolean) => void;
}

interface Waiter {
  readonly sinceMs: number;
  /** Looks whether what it waits for has come. */
  readonly check: () => void;
}

/** Made once: an error's stack costs more than the rest of an exchange's end. */
const OVER = new InferenceError("STREAM_BROKEN", "this exchange is over");

/** One request and its reply over a channel. */
export class Exchange implements PeerStream {
  readonly peer: NodeId;
  readonly #channel: Channel;
  readonly #options: ExchangeOptions;
  readonly #waiters = new Set<Waiter>();
  /** The signal that waits come with, listened to until the end: a listener for each wait costs more than the wait. */
  #watched: AbortSignal | undefined;
  #aborter: AbortController | undefined;
  #ended = false;
  #peerEnded = false;
  #over: Error | undefined;

  constructor(channel: Channel, options: ExchangeOptions) {
    this.peer = options.peer;
    this.#channel = channel;
    this.#options = options;
    channel.onEvent = () => this.#onEvent();
  }

  /** Aborts when the exchange breaks or is left before both ends have come. Made on first use. */
  get signal(): AbortSignal {
    this.#aborter ??= new AbortController();
    const reason = this.#over ?? this.#broken();
    if (reason && !this.#aborter.signal.aborted) this.#aborter.abort(reason);
    return this.#aborter.signal;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Whether the peer's end has come, read or not. */
  get peerEnded(): boolean {
    return this.#peerEnded || this.#channel.endReceived;
  }

  /** How long a send or receive has been waiting. */
  waitingMs(nowMs: number): number {
    let longestMs = 0;
    for (const { sinceMs } of this.#waiters) longestMs = Math.max(longestMs, nowMs - sinceMs);
    return longestMs;
  }

  async send(
    message: Uint8Array,
    { signal, onSent }: Waiting & { readonly onSent?: () => void },
  ): Promise<void> {
    this.#mayWrite(message, signal);
    this.#write(() => this.#channel.write(message, onSent));
    if (!this.#channel.writable) await this.#until(() => this.#channel.writable, signal);
  }

  async end({ signal }: Waiting, last?: Uint8Array): Promise<void> {
    if (this.#ended && last === undefined) return;
    this.#mayWrite(last, signal);
    this.#write(() => this.#channel.writeEnd(last));
    this.#ended = true;
    if (last && !this.#channel.writable) await this.#until(() => this.#channel.writable, signal);
  }

  putInto(memory: (lengthBytes: number) => Uint8Array | undefined): number {
    return this.#over ? 0 : this.#channel.putInto(memory);
  }

  async receive({ signal }: Waiting): Promise<Uint8Array | null> {
    signal.throwIfAborted();
    if (this.#over) throw this.#over;
    if (this.#peerEnded) return null;
    if (!this.#channel.readable) await this.#until(() => this.#channel.readable, signal);
    const frame = this.#channel.read();
    if (frame !== END && frame !== undefined) return frame;
    this.#peerEnded = true;
    return null;
  }

  /** Ends it from outside: the peer is told, everything that waits here fails. */
  break(reason: Error): void {
    this.#channel.reset(reason);
    this.#onEvent();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#over) return;
    while (!this.#peerEnded && this.#channel.endReceived) {
      this.#peerEnded = this.#channel.read() === END;
    }
    const clean = this.#ended && this.#peerEnded && !this.#channel.failure;
    this.#over = OVER;
    if (!clean) this.#channel.reset(new Error("the exchange was left"));
    // After a clean end nobody works for it any more: an abort that nobody needs costs more than the rest of the end.
    if (clean) this.#checkWaiters();
    else this.#onEvent();
    this.#channel.onEvent = () => {};
    this.#channel.putInto(undefined);
    this.#watched?.removeEventListener("abort", this.#checkWaiters);
    this.#options.onDone(clean);
  }

  readonly #checkWaiters = (): void => {
    for (const waiter of this.#waiters) waiter.check();
  };

  #onEvent(): void {
    this.#checkWaiters();
    const reason = this.#over ?? this.#broken();
    if (reason && this.#aborter && !this.#aborter.signal.aborted) this.#aborter.abort(reason);
  }

  #broken(): Error | undefined {
    const cause = this.#channel.failure;
    if (!cause) return undefined;
    if (cause instanceof InferenceError || isAborted(cause)) return cause;
    return new InferenceError("STREAM_BROKEN", `the stream to ${this.peer} broke`, { cause });
  }

  #mayWrite(message: Uint8Array | undefined, signal: AbortSignal): void {
    const { messageBytesMax, protocol } = this.#options;
    if (message && message.length > messageBytesMax) {
      throw new InferenceError(
        "INVALID_REQUEST",
        `a message of ${message.length} bytes is over the limit of ${messageBytesMax} for ${protocol}`,
      );
    }
    signal.throwIfAborted();
    if (this.#ended) throw new Error("this side of the exchange has ended");
    const reason = this.#over ?? this.#broken();
    if (reason) throw reason;
  }

  #write(action: () => void): void {
    try {
      action();
    } catch (cause) {
      throw new InferenceError("STREAM_BROKEN", `the stream to ${this.peer} broke`, { cause });
    }
  }

  /** Waits for the condition; fails when the signal aborts or, the condition still unmet, the channel has broken. */
  #until(condition: () => boolean, signal: AbortSignal): Promise<void> {
    const isWatched = this.#isWatched(signal);
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void): void => {
        this.#waiters.delete(waiter);
        if (!isWatched) signal.removeEventListener("abort", waiter.check);
        settle();
      };
      const waiter: Waiter = {
        sinceMs: this.#options.nowMs(),
        check: () => {
          if (condition()) return finish(resolve);
          const reason = signal.aborted ? signal.reason : (this.#over ?? this.#broken());
          if (reason) finish(() => reject(reason));
        },
      };
      this.#waiters.add(waiter);
      if (!isWatched) signal.addEventListener("abort", waiter.check);
      waiter.check();
    });
  }

  /** Our own signal aborts for what waiters look at anyway. */
  #isWatched(signal: AbortSignal): boolean {
    if (signal === this.#aborter?.signal) return true;
    if (!this.#watched) {
      this.#watched = signal;
      signal.addEventListener("abort", this.#checkWaiters);
    }
    return signal === this.#watched;
  }
}
