import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import type { Waiting } from "../core/ports.ts";
import { LinkReads } from "./carrier.ts";
import type { LinkGrant, LinkKey } from "./link-keys.ts";

/**
 * Links between nodes of one machine: sockets of Linux's abstract namespace (unix(7)), which nobody but the kernel carries,
 * so that nothing needs to be encrypted. The name is random and told over the mesh; on another machine, or in a container
 * with a network of its own, it leads nowhere.
 *
 * Both ends prove that they have the link's key, which is good for this one time: the caller names the key, the callee answers
 * with its proof, the caller with its own.
 */
export interface LocalLinksDeps {
  readonly take: (identity: string) => (LinkGrant & { readonly key: Uint8Array }) | undefined;
  readonly onLink: (socket: Socket, grant: LinkGrant) => void;
  readonly log: Logger;
}

type Role = "caller" | "callee";

const NAME_BYTES = 16;
const NAME = /^[0-9a-f]{32}$/;
/** LinkKeys makes them so. */
const IDENTITY_CHARS = 32;
const PROOF_BYTES = 32;
const HANDSHAKE_TIMEOUT_MS = 5_000;
const SOCKETS_MAX = 1_024;

export class LocalLinks implements AsyncDisposable {
  /** By which callers of this machine find it. */
  readonly name: string;
  readonly #server: Server;
  readonly #sockets: ReadonlySet<Socket>;

  private constructor(name: string, server: Server, sockets: ReadonlySet<Socket>) {
    this.name = name;
    this.#server = server;
    this.#sockets = sockets;
  }

  /** Undefined where there are no such sockets. */
  static async open(deps: LocalLinksDeps): Promise<LocalLinks | undefined> {
    if (process.platform !== "linux") return undefined;
    const name = randomBytes(NAME_BYTES).toString("hex");
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      if (sockets.size >= SOCKETS_MAX) return void socket.destroy();
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
      accept(socket, deps).catch((error: unknown) => {
        deps.log.debug({ error: messageOf(error) }, "a local link was not made");
        socket.destroy();
      });
    });
    await once(server.listen(pathOf(name)), "listening");
    return new LocalLinks(name, server, sockets);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

/** Undefined when nobody has that name here; rejects when whoever has it is not the peer. */
export async function connectLocally(
  name: string,
  { identity, key }: LinkKey,
  { signal }: Waiting,
): Promise<Socket | undefined> {
  // A peer's word: it shall lead to no other socket of this machine.
  if (!NAME.test(name) || process.platform !== "linux") return undefined;
  const reads = new LinkReads();
  const socket = connect({ path: pathOf(name), onread: reads.onread });
  reads.bind(socket);
  try {
    await once(socket, "connect", { signal });
  } catch {
    socket.destroy();
    signal.throwIfAborted();
    return undefined;
  }
  const onAbort = (): void => void socket.destroy();
  signal.addEventListener("abort", onAbort);
  try {
    await within(socket, async () => {
      const answer = nextBytes(socket, reads, PROOF_BYTES);
      socket.write(identity);
      expectProof(await answer, proofOf("callee", { identity, key }));
      socket.write(proofOf("caller", { identity, key }));
    });
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

async function accept(socket: Socket, { take, onLink }: LocalLinksDeps): Promise<void> {
  const grant = await within(socket, async () => {
    const identity = (await read(socket, IDENTITY_CHARS)).toString("latin1");
    const grant = take(identity);
    if (!grant) throw new Error("it names no key of ours");
    socket.write(proofOf("callee", { identity, key: grant.key }));
    const proof = await read(socket, PROOF_BYTES);
    expectProof(proof, proofOf("caller", { identity, key: grant.key }));
    return grant;
  });
  onLink(socket, grant);
}

function pathOf(name: string): string {
  return `\0ollamamax-link-${name}`;
}

function proofOf(role: Role, { identity, key }: LinkKey): Buffer {
  return createHmac("sha256", key).update(`ollamamax local link ${role} ${identity}`).digest();
}

function expectProof(proof: Uint8Array, expected: Buffer): void {
  if (!timingSafeEqual(proof, expected)) throw new Error("the other side has not the key");
}

async function within<T>(socket: Socket, handshake: () => Promise<T>): Promise<T> {
  const onTimeout = (): void => {
    socket.destroy(new Error(`no answer in ${HANDSHAKE_TIMEOUT_MS} ms`));
  };
  socket.on("error", () => {}).setTimeout(HANDSHAKE_TIMEOUT_MS, onTimeout);
  const result = await handshake();
  socket.setTimeout(0, onTimeout);
  return result;
}

/** The next so many bytes, which nothing may follow before an answer. */
function nextBytes(socket: Socket, reads: LinkReads, bytes: number): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const got = new Uint8Array(bytes);
  let gotBytes = 0;
  reads.listen({
    data: (piece) => {
      if (gotBytes + piece.length > bytes) {
        socket.destroy(new Error("the other side said too much"));
        return;
      }
      got.set(piece, gotBytes);
      gotBytes += piece.length;
      if (gotBytes === bytes) resolve(got);
    },
    room: () => undefined,
    filled: () => {},
  });
  socket.once("close", () => reject(socket.errored ?? new Error("the other side has gone")));
  return promise;
}

/** The next so many bytes; what follows them stays in the socket. */
function read(socket: Socket, bytes: number): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const look = (): void => {
    const read: Buffer | null = socket.read(bytes);
    if (read?.length === bytes) resolve(read);
    // What comes before the end may be less.
    else if (read) reject(new Error("the other side said too little"));
  };
  const onClose = (): void => reject(socket.errored ?? new Error("the other side has gone"));
  socket.on("readable", look).on("close", onClose);
  look();
  return promise.finally(() => {
    socket.off("readable", look).off("close", onClose);
  });
}
