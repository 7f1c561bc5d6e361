import { isIP } from "node:net";
import { peerIdFromString } from "@libp2p/peer-id";
import { CODE_P2P, type Multiaddr, multiaddr } from "@multiformats/multiaddr";
import { type NodeId, parseNodeId } from "../core/node-id.ts";
import { MeshError } from "./errors.ts";
import { MULTIADDR_CHARS_MAX, MULTIADDRS_MAX } from "./limits.ts";

export function listenAddress(host: string, port: number): string {
  const family = isIP(host);
  if (family === 0) return `/dns/${host}/tcp/${port}`;
  return `/ip${family}/${host}/tcp/${port}`;
}

/** Undefined for what is no multiaddr, or is longer than any of ours. */
export function parseMultiaddr(text: string): Multiaddr | undefined {
  if (text.length > MULTIADDR_CHARS_MAX) return undefined;
  try {
    return multiaddr(text);
  } catch {
    return undefined;
  }
}

/** The node that an address names at its end; undefined when it names none. */
export function nodeIdOf(address: Multiaddr): NodeId | undefined {
  const id = address.getComponents().findLast(({ code }) => code === CODE_P2P)?.value;
  return id === undefined ? undefined : parseNodeId(id);
}

/**
 * What can be dialled to reach a node: addresses that cannot be read or that name another node are left out, those that
 * name none get its id, so that whoever answers there must be it.
 */
export function addressesOf(id: NodeId, texts: readonly string[]): Multiaddr[] {
  const addresses: Multiaddr[] = [];
  for (const text of texts) {
    const parsed = parseMultiaddr(text);
    if (!parsed) continue;
    const named = nodeIdOf(parsed);
    if (named === undefined) addresses.push(parsed.encapsulate(`/p2p/${id}`));
    else if (named === id) addresses.push(parsed);
    if (addresses.length === MULTIADDRS_MAX) break;
  }
  return addresses;
}

export function peerIdOf(id: NodeId) {
  return peerIdFromString(id);
}

/** Addresses from the configuration: here a mistake ends the start. */
export function configuredAddress(variable: string, text: string): Multiaddr {
  const parsed = parseMultiaddr(text);
  if (!parsed) {
    throw new MeshError(
      "ADDRESS_INVALID",
      `${variable} has ${JSON.stringify(text)}: a multiaddr looks like /ip4/192.0.2.1/tcp/4001 or /dns4/node1.example.com/tcp/4001`,
    );
  }
  return parsed;
}
