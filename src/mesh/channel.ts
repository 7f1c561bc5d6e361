import { afterThisTurn } from "../core/after-this-turn.ts";
import type { Carrier } from "./carrier.ts";
import {
  END,
  END_FRAME,
  encodeFrame,
  type Frame,
  FrameReader,
  isCopied,
  type MessageMemory,
} from "./frames.ts";

/** Reading pauses above it, so that a peer which sends faster than we take is slowed by its window. */
const INBOX_BYTES_HIGH = 2 * 1_024 ** 2;
const INBOX_BYTES_LOW = INBOX_BYTES_HIGH / 2;
/** A message and the end after it are one frame of the multiplexer; what is longer is not copied for that. */
const JOINED_BYTES_MAX = 32 * 1_024;
/** What a frame takes beside its bytes, so that empty ones count too. */
const FRAME_COST_BYTES = 64;

/** Frames to and from a peer, for one exchange after another. */
export class Channel {
  readonly #carrier: Carrier;
  readonly #reader: FrameReader;
  readonly #inbox: Frame[] = [];
  #inboxBytes = 0;
  #endsInInbox = 0;
  #outbox: Uint8Array[] = [];
  #outboxBytes = 0;
  #paused = false;
  #memory: MessageMemory | undefined;
  #failure: Error | undefined;
  /** Told when a frame has come, the stream has drained, or it has broken. */
  onEvent: () => void = () => {};

  constructor(carrier: Carrier, messageBytesMax: number) {
    this.#carrier = carrier;
    this.#reader = new FrameReader(messageBytesMax, (bytes) => this.#memory?.(bytes));
    carrier.listen({
      data: (bytes) => this.#take(() => this.#reader.push(bytes, this.#keep)),
      room: () => (this.#failure ? undefined : this.#reader.room),
      filled: (bytes) => this.#take(() => this.#reader.filled(bytes, this.#keep)),
      drained: () => this.onEvent(),
      closed: (reason) => this.#fail(reason),
    });
    if (!carrier.isOpen) this.#fail(new Error("the stream was closed"));
  }

  get kind(): Carrier["kind"] {
    return this.#carrier.kind;
  }

  /** Why nothing more can be sent or will come, beyond what is in the inbox. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  get readable(): boolean {
    return this.#inbox.length > 0;
  }

  get writable(): boolean {
    return this.#carrier.writable;
  }

  /** Whether the peer's end of the exchange that is being read has come. */
  get endReceived(): boolean {
    return this.#endsInInbox > 0;
  }

  /**
   * Each message that begins to come from now on is put where `memory` says, until that is undefined. Returns how many bytes of
   * messages are there unread, or have begun to come.
   */
  putInto(memory: MessageMemory | undefined): number {
    this.#memory = memory;
    let aheadBytes = this.#reader.comingBytes;
    for (const frame of this.#inbox) if (frame !== END) aheadBytes += frame.length;
    return aheadBytes;
  }

  read(): Frame | undefined {
    const frame = this.#inbox.shift();
    if (frame !== undefined) this.#inboxBytes -= costOf(frame);
    if (frame === END) this.#endsInInbox--;
    if (this.#paused && this.#inboxBytes < INBOX_BYTES_LOW && !this.#failure) {
      this.#paused = false;
      this.#carrier.resume();
    }
    return frame;
  }

  /** What is written in one turn of the event loop goes out together. For `onSent` see PeerStream. */
  write(message: Uint8Array, onSent?: () => void): void {
    if (this.#outbox.length === 0) afterThisTurn(() => this.#flush());
    this.#put(encodeFrame(message, { end: false }));
    const wasCopied = isCopied(message);
    if (this.#outboxBytes > JOINED_BYTES_MAX) this.#flush(wasCopied ? undefined : onSent);
    if (wasCopied) onSent?.();
  }

  /** At once: nothing follows that it could go out together with, and the peer waits for it. */
  writeEnd(last: Uint8Array | undefined): void {
    this.#put(last === undefined ? [END_FRAME] : encodeFrame(last, { end: true }));
    this.#flush();
  }

  /** Between exchanges, when nobody needs the stream any more. */
  close(): void {
    this.#flush();
    this.#carrier.close();
    this.#fail(new Error("the stream was closed"));
  }

  /** Tells the peer that the exchange is given up, and throws away what has not been sent or read. */
  reset(reason: Error): void {
    if (!this.#failure) this.#carrier.abort(reason);
    this.#fail(reason);
    this.#inbox.length = 0;
    this.#inboxBytes = 0;
    this.#endsInInbox = 0;
    this.#outbox = [];
    this.#outboxBytes = 0;
  }

  #put(pieces: readonly Uint8Array[]): void {
    this.#outbox.push(...pieces);
    for (const { length } of pieces) this.#outboxBytes += length;
  }

  /** `onSent` is for the last piece. */
  #flush(onSent?: () => void): void {
    const pieces = this.#outbox;
    if (pieces.length === 0) return;
    const last = pieces.at(-1);
    const isJoined = pieces.length > 1 && this.#outboxBytes <= JOINED_BYTES_MAX;
    this.#outbox = [];
    this.#outboxBytes = 0;
    if (this.#failure) return;
    try {
      if (isJoined) this.#carrier.send(Buffer.concat(pieces));
      else
        for (const piece of pieces) this.#carrier.send(piece, piece === last ? onSent : undefined);
    } catch (error) {
      this.reset(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** What still comes after a failure is for nobody, and memory that was meant for it may be in other use. */
  #take(read: () => void): void {
    if (this.#failure) return;
    try {
      read();
    } catch (error) {
      this.reset(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    if (!this.#paused && this.#inboxBytes > INBOX_BYTES_HIGH) {
      this.#paused = true;
      this.#carrier.pause();
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
