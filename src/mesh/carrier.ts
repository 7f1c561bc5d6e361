import type { Socket } from "node:net";
import type { Stream } from "@libp2p/interface";
import { thriftyWindow } from "./thrifty-window.ts";

/** What takes a channel's bytes to the peer, in order: a libp2p stream, or a link. */
export interface Carrier {
  readonly kind: "stream" | "link";
  readonly isOpen: boolean;
  /** False: wait for `drained`, what is sent before is kept in memory. */
  readonly writable: boolean;
  send(bytes: Uint8Array): void;
  pause(): void;
  resume(): void;
  /** When what was sent has gone. */
  close(): void;
  abort(reason: Error): void;
  /** Called once, before anything else. */
  listen(listener: CarrierListener): void;
}

export interface CarrierListener {
  readonly data: (bytes: Uint8Array) => void;
  readonly drained: () => void;
  readonly closed: (reason: Error) => void;
}

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

  send(bytes: Uint8Array): void {
    this.#socket.write(bytes);
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

  listen({ data, drained, closed }: CarrierListener): void {
    let failure: Error | undefined;
    this.#socket
      .on("data", data)
      .on("drain", drained)
      .on("end", () => closed(new Error(LEFT)))
      .on("error", (error) => {
        failure = error;
      })
      .on("close", () => closed(failure ?? new Error(CLOSED)));
  }
}
