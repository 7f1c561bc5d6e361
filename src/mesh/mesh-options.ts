import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/log.ts";
import type { Metrics } from "../core/metrics.ts";
import type { NodeId } from "../core/node-id.ts";
import type { NodeReport } from "../core/node-view.ts";
import type { Random } from "../core/random.ts";
import type { PeerDirectory } from "./discovery.ts";
import type { Identity } from "./identity.ts";

export interface MeshOptions {
  readonly listenHost: string;
  /** 0: any free port. */
  readonly p2pPort: number;
  readonly announceAddresses: readonly string[];
  readonly bootstrapPeers: readonly string[];
  readonly stateDir: string;
  /** Look for peers on the local network. */
  readonly mdns: boolean;
  /** Talk to nodes of this machine over local sockets, without TLS. */
  readonly localLinks: boolean;
  /** The first is the current one; with the others peers may still connect. */
  readonly clusterKeys: readonly Uint8Array[];
  readonly denied: readonly NodeId[];
}

export interface MeshDeps {
  readonly identity: Identity;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** What this node says of itself, asked for at each heartbeat. */
  readonly report: () => NodeReport;
  readonly directory?: PeerDirectory;
  readonly metrics?: Metrics;
  /** A peer from the registry or the bootstrap list has another cluster key: its address. */
  readonly onKeyMismatch?: (address: string) => void;
}
