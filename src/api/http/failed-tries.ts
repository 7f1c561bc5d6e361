/** So many at once, and one more each few seconds. A person who pastes the wrong key does not notice; a program does. */
const TRY_MS = 3_000;
const STORE_MS = 20 * TRY_MS;
/** The networks that were heard of the longest ago are forgotten beyond it. */
const NETWORKS_MAX = 10_000;

/** Counts failed tries by the network that they come from: each costs time, of which there is some in store (token bucket). */
export class FailedTries {
  readonly #stores = new Map<string, { readonly leftMs: number; readonly atMs: number }>();

  /** One more failed. Returns how long no further one is answered in earnest; 0: it is one of those that may be. */
  count(address: string, nowMs: number): number {
    const network = networkOf(address);
    const store = this.#stores.get(network) ?? { leftMs: STORE_MS, atMs: nowMs };
    const leftMs = Math.min(STORE_MS, store.leftMs + nowMs - store.atMs);
    const missingMs = Math.max(0, TRY_MS - leftMs);
    this.#stores.delete(network);
    this.#stores.set(network, { leftMs: missingMs > 0 ? leftMs : leftMs - TRY_MS, atMs: nowMs });
    const [oldest] = this.#stores.keys();
    if (this.#stores.size > NETWORKS_MAX && oldest !== undefined) this.#stores.delete(oldest);
    return missingMs;
  }
}

const GROUPS = 8;
const NETWORK_GROUPS = 4;

/** An address of IPv4; of IPv6 the first 64 bits, since whoever has one such address has all the others (RFC 6177). */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined || !address.includes(":")) return mapped ?? address;
  const [head = "", tail] = address.split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail ? tail.split(":") : [];
  const zeros = Math.max(0, GROUPS - before.length - after.length);
  const groups = [...before, ...Array<string>(zeros).fill("0"), ...after];
  return `${groups.slice(0, NETWORK_GROUPS).join(":")}::/64`;
}
