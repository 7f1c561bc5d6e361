import type { Context } from "hono";
import { HttpError } from "./http-error.ts";
import { type ApiEnv, requestSignal } from "./request-signal.ts";

/** Smaller ones are not counted: requests with nothing but text. */
const LARGE_BYTES = 1_024 ** 2;
/** What is uploaded to a file is never in memory. */
const TO_A_FILE = /^\/api\/blobs\//;

interface Waiter {
  readonly bytes: number;
  readonly come: () => void;
}

/**
 * Room for the large bodies of requests, together: each is in memory several times over (as it came, in base64, on its way to
 * another node) until it is answered. Whoever comes when there is none waits with its body unread, in order.
 */
export class BodyRoom {
  readonly #bytesMax: number;
  readonly #chunkedBytes: number;
  #taken = 0;
  readonly #waiting: Waiter[] = [];

  constructor(o: { readonly bodiesBytesMax: number; readonly bodyBytesMax: number }) {
    this.#bytesMax = o.bodiesBytesMax;
    this.#chunkedBytes = Math.min(o.bodiesBytesMax, o.bodyBytesMax);
  }

  /** Answers when the request may be read. Its room is free again when the answer has gone, or its client. */
  within(
    c: Context<ApiEnv>,
    answer: () => Response | Promise<Response>,
  ): Response | Promise<Response> {
    const bytes = this.#bytesOf(c);
    return bytes < LARGE_BYTES || TO_A_FILE.test(c.req.path)
      ? answer()
      : this.#within(c, bytes, answer);
  }

  async #within(
    c: Context<ApiEnv>,
    bytes: number,
    answer: () => Response | Promise<Response>,
  ): Promise<Response> {
    const signal = requestSignal(c);
    await this.#take(bytes, signal);
    const { outgoing } = c.env ?? {};
    if (signal.aborted || outgoing?.destroyed) {
      this.#give(bytes);
      throw new HttpError(499, "request canceled");
    }
    outgoing?.once("close", () => this.#give(bytes));
    try {
      return await answer();
    } finally {
      if (!outgoing) this.#give(bytes);
    }
  }

  /** One that does not say how long it is may be as long as any. */
  #bytesOf({ req }: Context<ApiEnv>): number {
    const announced = req.header("content-length");
    if (announced !== undefined) return Math.min(Number(announced), this.#bytesMax);
    return req.header("transfer-encoding") === undefined ? 0 : this.#chunkedBytes;
  }

  async #take(bytes: number, signal: AbortSignal): Promise<void> {
    if (this.#waiting.length === 0 && this.#taken + bytes <= this.#bytesMax) {
      this.#taken += bytes;
      return;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiter = { bytes, come: (): void => resolve() };
    this.#waiting.push(waiter);
    signal.addEventListener("abort", waiter.come, { once: true });
    await promise;
    signal.removeEventListener("abort", waiter.come);
    const at = this.#waiting.indexOf(waiter);
    if (at < 0) return; // It has its room.
    this.#waiting.splice(at, 1);
    this.#admit();
    throw new HttpError(499, "request canceled");
  }

  #give(bytes: number): void {
    this.#taken -= bytes;
    this.#admit();
  }

  #admit(): void {
    for (let next = this.#waiting[0]; next; next = this.#waiting[0]) {
      if (this.#taken + next.bytes > this.#bytesMax) return;
      this.#taken += next.bytes;
      this.#waiting.shift();
      next.come();
    }
  }
}
