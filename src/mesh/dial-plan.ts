import type { NodeId } from "../core/node-id.ts";

/** What discovery knows of a peer that it may dial. */
export interface KnownPeer {
  readonly id: NodeId;
  readonly multiaddrs: readonly string[];
  /** Failed dials since it was last connected. */
  readonly failures: number;
  readonly nextTryMs: number;
  readonly dialling: boolean;
}

export interface DialLimits {
  /** Up to so many peers the mesh is full: everyone is connected to everyone. */
  readonly connectedMax: number;
  readonly diallingMax: number;
}

/** Those that are due, the least often failed first, within what connections and dials are still free. */
export function whomToDial(
  peers: Iterable<KnownPeer>,
  connected: ReadonlySet<string>,
  nowMs: number,
  limits: DialLimits,
): KnownPeer[] {
  const due: KnownPeer[] = [];
  let dialling = 0;
  for (const peer of peers) {
    if (peer.dialling) dialling++;
    else if (!connected.has(peer.id) && peer.nextTryMs <= nowMs) due.push(peer);
  }
  const free = Math.min(
    limits.diallingMax - dialling,
    limits.connectedMax - connected.size - dialling,
  );
  return due.sort((a, b) => a.failures - b.failures).slice(0, Math.max(0, free));
}
