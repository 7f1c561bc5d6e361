import t, { type Test } from "tap";
import { openTestNode, type TestNode } from "../../test/fixtures/libp2p-nodes.ts";
import { ManualClock } from "../../test/fixtures/manual-clock.ts";
import { until } from "../../test/fixtures/until.ts";
import { silentLog } from "../core/log.ts";
import { seededRandom } from "../core/random.ts";
import { peerIdOf } from "./addresses.ts";
import { GossipStreams } from "./gossip-streams.ts";

const TOPIC = "/test/1";
const NOTHING = new Uint8Array([1]);

async function openPair(t: Test): Promise<readonly [TestNode, TestNode]> {
  const [a, b] = await Promise.all([1, 2].map(() => openTestNode(undefined, { topics: [TOPIC] })));
  if (!a || !b) throw new Error("two were opened");
  t.teardown(() => Promise.all([a, b].map((node) => node[Symbol.asyncDispose]())));
  for (const { libp2p } of [a, b]) libp2p.services.pubsub.subscribe(TOPIC);
  await a.libp2p.dial(b.libp2p.getMultiaddrs());
  await until(() => knows(a, b) && knows(b, a));
  return [a, b];
}

const knows = ({ libp2p }: TestNode, other: TestNode): boolean =>
  libp2p.services.pubsub
    .getSubscribers(TOPIC)
    .some((peer) => peer.toString() === other.identity.nodeId);

/** What is gossiped by one node to the other: streams, not what is said. */
const streamsOf = ({ libp2p }: TestNode, { identity }: TestNode) =>
  libp2p
    .getConnections(peerIdOf(identity.nodeId))
    .flatMap(({ streams }) => streams)
    .filter(({ protocol }) => libp2p.services.pubsub.protocols.includes(protocol));

const ours = (node: TestNode, other: TestNode) =>
  streamsOf(node, other).filter(({ direction }) => direction === "outbound");

function forget({ libp2p }: TestNode, { identity }: TestNode): void {
  const { pubsub, topologies } = libp2p.services;
  for (const topology of pubsub.protocols.flatMap((protocol) => topologies(protocol))) {
    topology.onDisconnect?.(peerIdOf(identity.nodeId));
  }
}

async function hears(node: TestNode, from: TestNode): Promise<void> {
  let isHeard = false;
  const onMessage = (): void => {
    isHeard = true;
  };
  const { pubsub } = node.libp2p.services;
  pubsub.addEventListener("message", onMessage);
  await until(() => {
    from.libp2p.services.pubsub.publish(TOPIC, NOTHING).catch(() => {});
    return isHeard;
  });
  pubsub.removeEventListener("message", onMessage);
}

t.test("a stream that was reset is opened again, over the same connection", async (t) => {
  const [a, b] = await openPair(t);
  await Promise.all([hears(a, b), hears(b, a)]);
  const clock = new ManualClock();
  const deps = { clock, random: seededRandom(1), log: silentLog };
  await using streams = GossipStreams.open({ ...deps, libp2p: a.libp2p });
  t.ok(streams);
  const [connection] = a.libp2p.getConnections();
  for (const stream of streamsOf(a, b)) stream.abort(new Error("reset by the test"));
  await until(() => ours(a, b).length === 0 && ours(b, a).length === 0);

  await clock.advance(2_000);
  t.equal(ours(a, b).length, 0, "it may have been about to be opened");
  await clock.advance(4_000);
  await until(() => ours(a, b).length === 1 && ours(b, a).length === 1);
  await Promise.all([hears(a, b), hears(b, a)]);
  t.equal(a.libp2p.getConnections().length, 1);
  t.equal(a.libp2p.getConnections()[0], connection);
  await clock.advance(120_000);
  t.equal(streamsOf(a, b).length, 2, "one that is there is left alone");
});

t.test("a peer that gossipsub was never told of is told of", async (t) => {
  const [a, b] = await openPair(t);
  const clock = new ManualClock();
  const deps = { clock, random: seededRandom(1), log: silentLog };
  await using streams = GossipStreams.open({ ...deps, libp2p: a.libp2p });
  t.ok(streams);
  forget(a, b);
  forget(b, a);
  await until(() => streamsOf(a, b).length === 0 && streamsOf(b, a).length === 0);
  t.notOk(knows(a, b));
  await clock.advance(2_000);
  await clock.advance(4_000);
  await until(() => knows(a, b));
  await Promise.all([hears(a, b), hears(b, a)]);
  t.pass();
});
