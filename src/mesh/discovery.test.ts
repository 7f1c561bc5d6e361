import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { multiaddr } from "@multiformats/multiaddr";
import t, { type Test } from "tap";
import { openTestNode, type TestNode } from "../../test/fixtures/libp2p-nodes.ts";
import { tempFolder } from "../../test/fixtures/temp-folder.ts";
import { systemClock } from "../core/clock.ts";
import { silentLog } from "../core/log.ts";
import type { NodeId } from "../core/node-id.ts";
import { seededRandom } from "../core/random.ts";
import { Discovery, type DiscoveryDeps, type DiscoveryOptions } from "./discovery.ts";

async function open(
  t: Test,
  node: TestNode,
  options: Partial<DiscoveryOptions & DiscoveryDeps> = {},
): Promise<Discovery> {
  const discovery = Discovery.open(
    { bootstrapPeers: [], ...options, stateDir: options.stateDir ?? tempFolder(t) },
    {
      libp2p: node.libp2p,
      self: node.identity.nodeId,
      clock: systemClock,
      random: seededRandom(1),
      log: silentLog,
      isGone: () => false,
      ...options,
    },
  );
  t.teardown(() => discovery[Symbol.asyncDispose]());
  return discovery;
}

async function nodes(t: Test, count: number): Promise<TestNode[]> {
  const opened = await Promise.all(Array.from({ length: count }, () => openTestNode()));
  t.teardown(() => Promise.all(opened.map((node) => node[Symbol.asyncDispose]())));
  return opened;
}

/** Resolves when the two are connected, or connected again. */
async function connected(node: TestNode, other: TestNode): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const check = (): void => {
    if (node.libp2p.getPeers().some((peer) => peer.equals(other.libp2p.peerId))) resolve();
  };
  node.libp2p.addEventListener("peer:connect", check);
  check();
  await promise;
  node.libp2p.removeEventListener("peer:connect", check);
}

const listed = (node: TestNode) => ({
  id: node.identity.nodeId,
  multiaddrs: node.libp2p.getMultiaddrs().map(String),
});

t.test("from peers remembered on disk, and remembered again", async (t) => {
  const [a, b] = await nodes(t, 2);
  if (!a || !b) throw new Error("two nodes");
  const stateDir = tempFolder(t, { "peers.json": JSON.stringify({ peers: [listed(b)] }) });
  const discovery = await open(t, a, { stateDir });
  await connected(a, b);
  await discovery[Symbol.asyncDispose]();
  const kept = JSON.parse(readFileSync(path.join(stateDir, "peers.json"), "utf8"));
  t.equal(kept.peers[0].id, b.identity.nodeId);
});

t.test("a file of peers that cannot be read is written anew", async (t) => {
  const [a, b] = await nodes(t, 2);
  if (!a || !b) throw new Error("two nodes");
  const stateDir = tempFolder(t);
  writeFileSync(path.join(stateDir, "peers.json"), "{ not json");
  const discovery = await open(t, a, { stateDir });
  discovery.learn(b.identity.nodeId, listed(b).multiaddrs);
  await connected(a, b);
  await discovery[Symbol.asyncDispose]();
  t.match(readFileSync(path.join(stateDir, "peers.json"), "utf8"), b.identity.nodeId);
});

t.test("from the registry, which may fail first", async (t) => {
  const [a, b] = await nodes(t, 2);
  if (!a || !b) throw new Error("two nodes");
  let calls = 0;
  const directory = {
    livePeers: async () => {
      calls++;
      if (calls < 3) throw new Error("the database is away");
      return [listed(a), listed(b)];
    },
  };
  const discovery = await open(t, a, { directory });
  await connected(a, b);
  t.ok(calls >= 3);
  t.ok(discovery.isExpected(multiaddr(`/ip4/192.0.2.1/tcp/1/p2p/${b.identity.nodeId}`)));
  t.notOk(discovery.isExpected(multiaddr(`/ip4/192.0.2.1/tcp/1/p2p/${a.identity.nodeId}`)));
});

t.test("from the bootstrap list, with and without a peer id", async (t) => {
  const [a, b, c] = await nodes(t, 3);
  if (!a || !b || !c) throw new Error("three nodes");
  const withId = b.libp2p.getMultiaddrs()[0];
  const bare = multiaddr(String(c.libp2p.getMultiaddrs()[0]).replace(/\/p2p\/.*/, ""));
  if (!withId) throw new Error("an address");
  const discovery = await open(t, a, { bootstrapPeers: [withId, bare] });
  await Promise.all([connected(a, b), connected(a, c)]);
  t.ok(discovery.isExpected(withId));
  t.ok(discovery.isExpected(bare));
});

t.test("a lost peer is dialled again, unless it has left", async (t) => {
  const [a, b] = await nodes(t, 2);
  if (!a || !b) throw new Error("two nodes");
  const gone = new Set<NodeId>();
  const discovery = await open(t, a, { isGone: (id) => gone.has(id) });
  discovery.learn(b.identity.nodeId, listed(b).multiaddrs);
  await connected(a, b);
  await a.libp2p.hangUp(b.libp2p.peerId);
  await connected(a, b);
  gone.add(b.identity.nodeId);
  discovery.forget(b.identity.nodeId);
  discovery.learn(b.identity.nodeId, ["/ip4/127.0.0.1/tcp/1"]);
  await a.libp2p.hangUp(b.libp2p.peerId);
  await discovery[Symbol.asyncDispose]();
  t.equal(a.libp2p.getConnections().length, 0);
});

t.test("addresses that nobody answers at do not keep it from the others", async (t) => {
  const [a, b, c] = await nodes(t, 3);
  if (!a || !b || !c) throw new Error("three nodes");
  const discovery = await open(t, a);
  discovery.learn(c.identity.nodeId, ["/ip4/127.0.0.1/tcp/1", "no address at all"]);
  discovery.learn(b.identity.nodeId, ["/ip4/127.0.0.1/tcp/1", ...listed(b).multiaddrs]);
  await connected(a, b);
  discovery.learn(c.identity.nodeId, listed(c).multiaddrs);
  await connected(a, c);
  t.equal(a.libp2p.getPeers().length, 2);
});
