import { createHash } from "node:crypto";
import type { ManifestDigest } from "../core/digest.ts";
import type { NodeId } from "../core/node-id.ts";
import { canServe, type NodeView } from "../core/node-view.ts";
import type { Holder } from "../core/ports.ts";
import { type Random, sample } from "../core/random.ts";

/**
 * Which nodes to ask for a model, in order.
 *
 * 1. Candidates hold a ready replica, can serve (alive or suspect, not draining), have not been asked for this request,
 *    and their breaker lets a request through.
 * 2. Suspect nodes go to the end, whatever else speaks for them.
 * 3. This node itself comes first while it has a free slot: no hop. It comes first as well when nobody else is less busy.
 * 4. Among the others the conversation's node comes first: consistent hashing of (model, prompt prefix), so that it meets
 *    its warm KV cache, with bounded load (Mirrokni, Thorup and Zadimoghaddam 2018): a node that has more than LOAD_BOUND
 *    times the mean of the candidates' requests is passed over for the next on the ring.
 * 5. The rest follow by power of two choices (Mitzenmacher 2001): of two at random, the better one by, in this order:
 *    the model is loaded there; same zone as this node; (running + queued + our own in flight) / slots.
 *
 * Load is what a node said last plus what we have sent it since: a burst from one node does not all go to one peer.
 */
export interface Candidate {
  readonly id: NodeId;
  readonly self: boolean;
  readonly suspect: boolean;
  readonly warm: boolean;
  readonly sameZone: boolean;
  /** Requests running, waiting and sent by us since it last said how many. */
  readonly requests: number;
  readonly slots: number;
}

/** The paper's 1 + ε: the price is that one request in four may leave its warm node under load. */
const LOAD_BOUND = 1.25;

export interface Choice {
  readonly model: ManifestDigest;
  /** What a conversation's turns have in common; its hash decides the place on the ring. */
  readonly prefix: string;
  readonly view: readonly NodeView[];
  readonly holders: readonly Holder[];
  readonly asked: ReadonlySet<NodeId>;
  readonly blocked: (node: NodeId) => boolean;
  readonly inFlight: (node: NodeId) => number;
  /**
   * Who else may be asked, when nobody of those can be: nodes that drain, which still answer; those that the failure detection
   * has given up, but that did not leave.
   */
  readonly even?: "draining" | "failed";
}

export function candidatesOf(choice: Choice): Candidate[] {
  const ready = new Set(
    choice.holders.filter(({ state }) => state === "ready").map(({ node }) => node),
  );
  const zone = choice.view.find(({ self }) => self)?.zone ?? "";
  const mayServe = (node: NodeView): boolean =>
    canServe(node) ||
    (choice.even === "draining" && isDraining(node)) ||
    (choice.even === "failed" && isGivenUp(node));
  return choice.view
    .filter((node) => ready.has(node.id) && mayServe(node) && !choice.asked.has(node.id))
    .filter((node) => node.self || !choice.blocked(node.id))
    .map((node) => ({
      id: node.id,
      self: node.self,
      suspect: node.health !== "alive",
      warm: node.loaded.some(({ model }) => model === choice.model),
      sameZone: zone !== "" && node.zone === zone,
      requests: node.load.running + node.load.queued + choice.inFlight(node.id),
      slots: Math.max(1, node.load.slots),
    }));
}

function isDraining({ health, state }: NodeView): boolean {
  return (health === "alive" || health === "suspect") && state === "draining";
}

function isGivenUp({ health, state }: NodeView): boolean {
  return health === "failed" && state === "active";
}

/** The candidates, the one to ask first in front. */
export function rank(
  candidates: readonly Candidate[],
  key: { readonly model: ManifestDigest; readonly prefix: string },
  random: Random,
): readonly Candidate[] {
  const healthy = candidates.filter(({ suspect }) => !suspect);
  const suspects = candidates.filter(({ suspect }) => suspect);
  return [...rankEqual(healthy, key, random), ...rankEqual(suspects, key, random)];
}

function rankEqual(
  candidates: readonly Candidate[],
  key: { readonly model: ManifestDigest; readonly prefix: string },
  random: Random,
): readonly Candidate[] {
  const self = candidates.find((candidate) => candidate.self);
  const peers = candidates.filter((candidate) => !candidate.self);
  const first = conversationNode(peers, key);
  const rest = byTwoChoices(
    peers.filter((peer) => peer !== first),
    random,
  );
  const ranked = first ? [first, ...rest] : rest;
  if (!self) return ranked;
  const best = ranked[0];
  const stays = self.requests < self.slots || !best || busy(self) <= busy(best);
  return stays ? [self, ...ranked] : [best, self, ...ranked.slice(1)];
}

/** The ring's first node for this conversation whose load is within the bound. */
function conversationNode(
  peers: readonly Candidate[],
  key: { readonly model: ManifestDigest; readonly prefix: string },
): Candidate | undefined {
  if (peers.length <= 1) return peers[0];
  const total = peers.reduce((sum, peer) => sum + peer.requests, 0) + 1;
  const slots = peers.reduce((sum, peer) => sum + peer.slots, 0);
  // Highest random weight (Thaler and Ravishankar 1998) is the ring here: the same properties for a handful of nodes, and
  // no ring to keep.
  const ring = peers
    .map((peer) => ({ peer, weight: weight(peer.id, key) }))
    .sort((a, b) => (a.weight < b.weight ? 1 : -1));
  const within = ({ peer }: { readonly peer: Candidate }): boolean =>
    peer.requests < Math.ceil((LOAD_BOUND * total * peer.slots) / slots);
  return ring.find(within)?.peer;
}

function weight(
  node: NodeId,
  { model, prefix }: { readonly model: ManifestDigest; readonly prefix: string },
): string {
  return createHash("sha256").update(`${model}\n${node}\n${prefix}`).digest("hex");
}

function byTwoChoices(peers: readonly Candidate[], random: Random): Candidate[] {
  const rest = [...peers];
  const ranked: Candidate[] = [];
  while (rest.length > 0) {
    const [one, two] = sample(random, rest, 2);
    const better = two && one && isBetter(two, one) ? two : one;
    if (!better) break;
    rest.splice(rest.indexOf(better), 1);
    ranked.push(better);
  }
  return ranked;
}

function isBetter(a: Candidate, b: Candidate): boolean {
  if (a.warm !== b.warm) return a.warm;
  if (a.sameZone !== b.sameZone) return a.sameZone;
  return busy(a) < busy(b);
}

function busy(candidate: Candidate): number {
  return candidate.requests / candidate.slots;
}
