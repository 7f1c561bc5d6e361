import type { Stream } from "@libp2p/interface";
import { afterThisTurn } from "../core/after-this-turn.ts";
import { END, END_FRAME, encodeFrame, type Frame, FrameReader } from "./frames.ts";
import { thriftyWindow } from "./thrifty-window.ts";

/** Reading pauses above it, so that a peer which sends faster than we take is slowed by its window. */
const INBOX_BYTES_HIGH = 2 * 1_024 ** 2;
const INBOX_BYTES_LOW = INBOX_BYTES_HIGH / 2;
/** A message and the end after it are one frame of the multiplexer; what is longer is not copied for that. */
const JOINED_BYTES_MAX = 32 * 1_024;
/** What a frame takes beside its bytes, so that empty ones count too. */
const FRAME_COST_BYTES = 64;

/**
 * A libp2p stream that carries frames, for one exchange after another.
 *
 * libp2p's own `onDrain` resolves at once after its first time (its promise is never renewed), so drains are waited for
 * by the event.
 */
export class Channel {
  readonly #stream: Stream;
  readonly #reader: FrameReader;
  readonly #inbox: Frame[] = [];
  #inboxBytes = 0;
  #endsInInbox = 0;
  #outbox: Uint8Array[] = [];
  #outboxBytes = 0;
  #paused = false;
  #failure: Error | undefined;
  /** Told when a frame has come, the stream has drained, or it has broken. */
  onEvent: () => void = () => {};

  constructor(stream: Stream, messageBytesMax: number) {
    this.#stream = stream;
    this.#reader = new FrameReader(messageBytesMax);
    thriftyWindow(stream);
    stream.addEventListener("close", (event) => {
      this.#fail(event.error ?? new Error("the stream was closed"));
    });
    stream.addEventListener("remoteCloseWrite", () => {
      this.#fail(new Error("the peer closed the stream"));
      this.close();
    });
    stream.addEventListener("drain", () => this.onEvent());
    stream.addEventListener("message", ({ data }) => this.#onData(data));
    if (stream.status !== "open") this.#fail(new Error("the stream was closed"));
  }

  /** Why nothing more can be sent or will come, beyond what is in the inbox. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  get readable(): boolean {
    return this.#inbox.length > 0;
  }

  get writable(): boolean {
    return !this.#stream.writableNeedsDrain;
  }

  /** Whether the peer's end of the exchange that is being read has come. */
  get endReceived(): boolean {
    return this.#endsInInbox > 0;
  }

  read(): Frame | undefined {
    const frame = this.#inbox.shift();
    if (frame !== undefined) this.#inboxBytes -= costOf(frame);
    if (frame === END) this.#endsInInbox--;
    if (this.#paused && this.#inboxBytes < INBOX_BYTES_LOW && !this.#failure) {
      this.#paused = false;
      this.#stream.resume();
    }
    return frame;
  }

  /** What is written in one turn of the event loop goes out together. */
  write(message: Uint8Array): void {
    for (const piece of encodeFrame(message)) this.#put(piece);
  }

  writeEnd(): void {
    this.#put(END_FRAME);
  }

  /** Between exchanges, when nobody needs the stream any more. */
  close(): void {
    this.#flush();
    this.#stream.close().catch((error: Error) => this.#stream.abort(error));
    this.#fail(new Error("the stream was closed"));
  }

  /** Tells the peer that the exchange is given up, and throws away what has not been sent or read. */
  reset(reason: Error): void {
    if (!this.#failure) this.#stream.abort(reason);
    this.#fail(reason);
    this.#inbox.length = 0;
    this.#inboxBytes = 0;
    this.#endsInInbox = 0;
    this.#outbox = [];
    this.#outboxBytes = 0;
  }

  #put(piece: Uint8Array): void {
    if (this.#outbox.length === 0) afterThisTurn(() => this.#flush());
    this.#outbox.push(piece);
    this.#outboxBytes += piece.length;
    if (this.#outboxBytes > JOINED_BYTES_MAX) this.#flush();
  }

  #flush(): void {
    const pieces = this.#outbox;
    if (pieces.length === 0) return;
    const isJoined = this.#outboxBytes <= JOINED_BYTES_MAX;
    this.#outbox = [];
    this.#outboxBytes = 0;
    if (this.#failure) return;
    try {
      if (isJoined) this.#stream.send(Buffer.concat(pieces));
      else for (const piece of pieces) this.#stream.send(piece);
    } catch (error) {
      this.reset(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #onData(data: Iterable<Uint8Array> | Uint8Array): void {
    try {
      if (data instanceof Uint8Array) this.#reader.push(data, this.#keep);
      else for (const piece of data) this.#reader.push(piece, this.#keep);
    } catch (error) {
      this.reset(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    if (!this.#paused && this.#inboxBytes > INBOX_BYTES_HIGH) {
      this.#paused = true;
      this.#stream.pause();
    }
    if (this.#inbox.length > 0) this.onEvent();
  }

  readonly #keep = (frame: Frame): void => {
    this.#inbox.push(frame);
    this.#inboxBytes += costOf(frame);
    if (frame === END) this.#endsInInbox++;
  };

  #fail(reason: Error): void {
    if (this.#failure) return;
    this.#failure = reason;
    this.onEvent();
  }
}

function costOf(frame: Frame): number {
  return FRAME_COST_BYTES + (frame === END ? 0 : frame.length);
}
