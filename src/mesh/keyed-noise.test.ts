import { noise } from "@chainsafe/libp2p-noise";
import { yamux } from "@chainsafe/libp2p-yamux";
import { identify } from "@libp2p/identify";
import { tcp } from "@libp2p/tcp";
import { createLibp2p } from "libp2p";
import t from "tap";
import { openTestNode } from "../../test/fixtures/libp2p-nodes.ts";
import { newClusterKey } from "./cluster-key.ts";

const [k1, k2, k3] = [newClusterKey(), newClusterKey(), newClusterKey()];
const NODES = { old: [k1], both: [k2, k1], new: [k2], other: [k3] } as const;
type Name = keyof typeof NODES;

t.test("who can connect to whom", async (t) => {
  const rows: readonly (readonly [Name, Name, boolean])[] = [
    ["old", "old", true],
    ["old", "both", true],
    ["both", "old", true],
    ["new", "both", true],
    ["both", "new", true],
    ["both", "both", true],
    ["old", "new", false],
    ["new", "old", false],
    ["other", "both", false],
    ["both", "other", false],
  ];
  for (const [from, to, connects] of rows) {
    await using dialler = await openTestNode(NODES[from]);
    await using listener = await openTestNode(NODES[to]);
    const dialled = dialler.libp2p.dial(listener.libp2p.getMultiaddrs());
    const label = `${from} → ${to}`;
    if (connects) {
      await t.resolves(dialled, label);
      t.equal(dialler.mismatches() + listener.mismatches(), 0, label);
    } else {
      await t.rejects(dialled, label);
      t.equal(dialler.mismatches(), 1, `${label}: the dialler knows why`);
      t.equal(listener.libp2p.getConnections().length, 0, label);
    }
  }
});

t.test("plain noise is not offered, and is no key mismatch", async (t) => {
  await using node = await openTestNode([k1]);
  const stranger = await createLibp2p({
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify() },
  });
  t.teardown(() => stranger.stop());
  await t.rejects(stranger.dial(node.libp2p.getMultiaddrs()));
  t.equal(node.libp2p.getConnections().length, 0);
  t.equal(node.mismatches(), 0);
});

t.test("keys change while nodes run", async (t) => {
  await using a = await openTestNode([k1]);
  await using b = await openTestNode([k1]);
  await using c = await openTestNode([k2]);
  const connection = await a.libp2p.dial(b.libp2p.getMultiaddrs());
  await t.rejects(c.libp2p.dial(a.libp2p.getMultiaddrs()));
  a.noise.setKeys([k2, k1]);
  await t.resolves(c.libp2p.dial(a.libp2p.getMultiaddrs()), "the new key admits");
  t.equal(connection.status, "open", "a connection under the old key stays");
  a.noise.setKeys([k2]);
  await using late = await openTestNode([k1]);
  await t.rejects(late.libp2p.dial(a.libp2p.getMultiaddrs()), "the old key no more");
});
