import type { Socket } from "node:net";
import type { Stream } from "@libp2p/interface";
import { thriftyWindow } from "./thrifty-window.ts";

/** What takes a channel's bytes to the peer, in order: a libp2p stream, or a link. */
export interface Carrier {
  readonly kind: "stream" | "link";
  readonly isOpen: boolean;
  /** False: wait for `drained`, what is sent before is kept in memory. */
  readonly writable: boolean;
  /** `onSent` is told when the bytes are needed no more, if that is known. */
  send(bytes: Uint8Array, onSent?: () => void): void;
  pause(): void;
  resume(): void;
  /** When what was sent has gone. */
  close(): void;
  abort(reason: Error): void;
  /** Called once, before anything else. */
  listen(listener: CarrierListener): void;
}

export interface CarrierListener {
  /** The bytes are the listener's until it returns. */
  readonly data: (bytes: Uint8Array) => void;
  /** Where to put what comes next, rather than to tell it by `data`. */
  readonly room: () => Uint8Array | undefined;
  /** So many bytes have been put there. */
  readonly filled: (bytes: number) => void;
  readonly drained: () => void;
  readonly closed: (reason: Error) => void;
}

/** What comes, of all that a carrier tells. */
type ReadListener = Pick<CarrierListener, "data" | "room" | "filled">;

const CLOSED = "the stream was closed";
const LEFT = "the peer closed the stream";

/**
 * libp2p's own `onDrain` resolves at once after its first time (its promise is never renewed), so drains are waited for
 * by the event.
 */
export class StreamCarrier implements Carrier {
  readonly kind = "stream";
  readonly #stream: Stream;

  constructor(stream: Stream) {
    this.#stream = stream;
    thriftyWindow(stream);
  }

  get isOpen(): boolean {
    return this.#stream.status === "open";
  }

  get writable(): boolean {
    return !this.#stream.writableNeedsDrain;
  }

  send(bytes: Uint8Array): void {
    this.#stream.send(bytes);
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  close(): void {
    this.#stream.close().catch((error: Error) => this.#stream.abort(error));
  }

  abort(reason: Error): void {
    this.#stream.abort(reason);
  }

  listen({ data, drained, closed }: CarrierListener): void {
    const stream = this.#stream;
    stream.addEventListener("close", ({ error }) => closed(error ?? new Error(CLOSED)));
    stream.addEventListener("remoteCloseWrite", () => {
      closed(new Error(LEFT));
      this.close();
    });
    stream.addEventListener("drain", drained);
    stream.addEventListener("message", ({ data: bytes }) => {
      if (bytes instanceof Uint8Array) data(bytes);
      else for (const piece of bytes) data(piece);
    });
  }
}

/** The most that a record of TLS holds (RFC 5246, 6.2.1). */
const RECORD_BYTES_MAX = 16 * 1_024;
/** One for all links: what comes is taken out of it before anything else can come. */
const SCRATCH = Buffer.alloc(RECORD_BYTES_MAX);

/**
 * Where a link that this node makes puts what it reads (`onread` of net.Socket): large messages come in their own memory at
 * once. Node else makes new memory for each record, 64 times for a megabyte, and its garbage collector then costs more
 * than all that a copy of a model needs besides.
 */
export class LinkReads {
  static readonly #known = new WeakMap<Socket, LinkReads>();
  #socket: Socket | undefined;
  #listener: ReadListener | undefined;
  #target: Uint8Array = SCRATCH;

  readonly onread = {
    buffer: (): Uint8Array => {
      this.#target = this.#listener?.room() ?? SCRATCH;
      return this.#target;
    },
    callback: (bytes: number): boolean => {
      // Before it is used, nothing may come.
      if (!this.#listener) this.#socket?.destroy();
      if (this.#target === SCRATCH) this.#listener?.data(SCRATCH.subarray(0, bytes));
      else this.#listener?.filled(bytes);
      return true;
    },
  };

  /** `socket` was made with `onread`. */
  bind(socket: Socket): void {
    this.#socket = socket;
    LinkReads.#known.set(socket, this);
  }

  static of(socket: Socket): LinkReads | undefined {
    return LinkReads.#known.get(socket);
  }

  /** In place of who listened before. */
  listen(listener: ReadListener): void {
    this.#listener = listener;
  }
}

/** A socket between two nodes, over TLS: see Links. */
export class LinkCarrier implements Carrier {
  readonly kind = "link";
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  get isOpen(): boolean {
    return this.#socket.readyState === "open";
  }

  get writable(): boolean {
    return !this.#socket.writableNeedDrain;
  }

  send(bytes: Uint8Array, onSent?: () => void): void {
    this.#socket.write(bytes, onSent && ((error) => !error && onSent()));
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  close(): void {
    this.#socket.destroySoon();
  }

  abort(): void {
    this.#socket.destroy();
  }

  listen(listener: CarrierListener): void {
    const { data, drained, closed } = listener;
    const reads = LinkReads.of(this.#socket);
    if (reads) reads.listen(listener);
    else this.#socket.on("data", data);
    let failure: Error | undefined;
    this.#socket
      .on("drain", drained)
      .on("end", () => closed(new Error(LEFT)))
      .on("error", (error) => {
        failure = error;
      })
      .on("close", () => closed(failure ?? new Error(CLOSED)));
  }
}
