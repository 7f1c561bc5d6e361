import path from "node:path";
import { messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import { type NodeId, parseNodeId } from "../core/node-id.ts";
import { MULTIADDR_CHARS_MAX, MULTIADDRS_MAX } from "./limits.ts";
import { readStateFile, writeStateFile } from "./state-file.ts";

export interface RememberedPeer {
  readonly id: NodeId;
  readonly multiaddrs: readonly string[];
}

const PEERS_FILE = "peers.json";
const PEERS_MAX = 256;
const FILE_BYTES_MAX = 1_024 ** 2;

/**
 * Peers that were reached, on disk, so that a node finds its cluster again while the registry is away. It only helps:
 * a file that cannot be read or written costs a line in the log.
 */
export class RememberedPeers {
  readonly #file: string;
  readonly #log: Logger;
  #written = "";

  constructor(stateDir: string, log: Logger) {
    this.#file = path.join(stateDir, PEERS_FILE);
    this.#log = log;
  }

  async read(): Promise<readonly RememberedPeer[]> {
    try {
      const bytes = await readStateFile(this.#file, FILE_BYTES_MAX);
      return bytes ? parsePeers(JSON.parse(bytes.toString())) : [];
    } catch (error) {
      const fields = { file: this.#file, error: messageOf(error) };
      this.#log.warn(fields, "the remembered peers cannot be read; they will be found anew");
      return [];
    }
  }

  /** The most useful first: those beyond the limit are left out. */
  async write(peers: readonly RememberedPeer[]): Promise<void> {
    const text = `${JSON.stringify({ peers: peers.slice(0, PEERS_MAX) }, undefined, 2)}\n`;
    if (text === this.#written) return;
    try {
      await writeStateFile(this.#file, text);
      this.#written = text;
    } catch (error) {
      const fields = { file: this.#file, error: messageOf(error) };
      this.#log.warn(fields, "the peers cannot be remembered");
    }
  }
}

function parsePeers(value: unknown): readonly RememberedPeer[] {
  const list = property(value, "peers");
  if (!Array.isArray(list)) throw new Error("no list of peers");
  return list.slice(0, PEERS_MAX).flatMap((entry): RememberedPeer[] => {
    const id = property(entry, "id");
    const multiaddrs = property(entry, "multiaddrs");
    const parsed = typeof id === "string" ? parseNodeId(id) : undefined;
    if (!parsed || !Array.isArray(multiaddrs)) return [];
    return [{ id: parsed, multiaddrs: multiaddrs.filter(isAddress).slice(0, MULTIADDRS_MAX) }];
  });
}

function property(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && name in value
    ? Object.entries(value).find(([key]) => key === name)?.[1]
    : undefined;
}

function isAddress(value: unknown): value is string {
  return typeof value === "string" && value.length <= MULTIADDR_CHARS_MAX;
}
