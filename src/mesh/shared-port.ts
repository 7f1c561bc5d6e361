import { Server, type Socket } from "node:net";
import type { Listener, Transport } from "@libp2p/interface";
import { type TCPComponents, type TCPOptions, tcp } from "@libp2p/tcp";

/** The type of a TLS record that begins a handshake (RFC 8446, B.1). libp2p begins with 19, the length of multistream's name. */
const TLS_HANDSHAKE = 22;
/** Whoever connects has something to say. */
const FIRST_BYTE_TIMEOUT_MS = 8_000;
const UNDECIDED_MAX = 256;

/**
 * libp2p's TCP transport, on whose port links arrive too: operators open one port, and whatever maps it maps both. What a
 * connection is shows in its first byte.
 */
export function tcpWithLinks(
  options: TCPOptions,
  onLink: (socket: Socket) => void,
): (components: TCPComponents) => Transport {
  const make = tcp(options);
  return (components) => {
    const transport = make(components);
    const createListener = transport.createListener.bind(transport);
    transport.createListener = (listening) => {
      const listener = createListener(listening);
      divert(serverOf(listener), onLink);
      return listener;
    };
    return transport;
  };
}

/** @libp2p/tcp 11.0.28, listener.ts: the server is a property, private in its types only. */
function serverOf(listener: Listener): Server {
  if ("server" in listener && listener.server instanceof Server) return listener.server;
  throw new TypeError("libp2p's TCP listener has no server: see src/mesh/shared-port.ts");
}

function divert(server: Server, onLink: (socket: Socket) => void): void {
  const toLibp2p = server.listeners("connection");
  server.removeAllListeners("connection");
  let undecided = 0;
  server.on("connection", (socket: Socket) => {
    if (undecided >= UNDECIDED_MAX) {
      socket.destroy();
      return;
    }
    undecided++;
    const ignore = (): void => {};
    const onTimeout = (): void => {
      socket.destroy();
    };
    const decided = (): void => {
      undecided--;
      socket.setTimeout(0, onTimeout);
      socket.off("error", ignore).off("close", decided).off("readable", onReadable);
    };
    const onReadable = (): void => {
      const first: Buffer | null = socket.read(1);
      if (!first) return;
      decided();
      socket.unshift(first);
      if (first[0] === TLS_HANDSHAKE) onLink(socket);
      else for (const listener of toLibp2p) listener.call(server, socket);
    };
    socket.setTimeout(FIRST_BYTE_TIMEOUT_MS, onTimeout);
    socket.on("error", ignore).on("close", decided).on("readable", onReadable);
  });
}
