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
      const undecided = divert(serverOf(listener), onLink);
      const close = listener.close.bind(listener);
      listener.close = async () => {
        // libp2p waits for every connection of the server, and knows none of these.
        for (const socket of undecided) socket.destroy();
        await close();
      };
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

/** Returns the connections of which nobody knows yet what they are. */
function divert(server: Server, onLink: (socket: Socket) => void): ReadonlySet<Socket> {
  const toLibp2p = server.listeners("connection");
  server.removeAllListeners("connection");
  const undecided = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    if (undecided.size >= UNDECIDED_MAX) {
      socket.destroy();
      return;
    }
    undecided.add(socket);
    const ignore = (): void => {};
    const onTimeout = (): void => {
      socket.destroy();
    };
    const decided = (): void => {
      undecided.delete(socket);
      socket.setTimeout(0, onTimeout);
      socket.off("error", ignore).off("close", decided).off("readable", onReadable);
    };
    const onReadable = (): void => {
      const first: Buffer | null = socket.read(1);
      if (!first) return;
      decided();
      socket.unshift(first);
      // A listener that has been closed meanwhile throws at a connection.
      if (!server.listening) socket.destroy();
      else if (first[0] === TLS_HANDSHAKE) onLink(socket);
      else for (const listener of toLibp2p) listener.call(server, socket);
    };
    socket.setTimeout(FIRST_BYTE_TIMEOUT_MS, onTimeout);
    socket.on("error", ignore).on("close", decided).on("readable", onReadable);
  });
  return undecided;
}
