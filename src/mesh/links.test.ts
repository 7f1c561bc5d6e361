import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { multiaddr } from "@multiformats/multiaddr";
import t, { type Test } from "tap";
import { newIdentity, openTestNode, type TestNode } from "../../test/fixtures/libp2p-nodes.ts";
import { ManualClock } from "../../test/fixtures/manual-clock.ts";
import type { Clock } from "../core/clock.ts";
import { systemClock } from "../core/clock.ts";
import { silentLog } from "../core/log.ts";
import { linkAddresses } from "./link-opener.ts";
import { PooledStreams } from "./pooled-streams.ts";

const o = { signal: new AbortController().signal };
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

async function open(
  t: Test,
  clock: Clock = systemClock,
): Promise<TestNode & { calls: PooledStreams }> {
  const node = await openTestNode();
  const { libp2p, links, gater } = node;
  const isDenied = (id: string): boolean => gater.isDenied(id);
  const calls = await PooledStreams.open({ libp2p, links, clock, log: silentLog, isDenied });
  calls.handle("inference", async (stream) => {
    const message = await stream.receive(o);
    if (message) await stream.send(message, o);
    await stream.end(o);
  });
  t.teardown(async () => {
    await calls[Symbol.asyncDispose]();
    await node[Symbol.asyncDispose]();
  });
  return { ...node, calls };
}

async function say(from: { calls: PooledStreams }, to: TestNode, words: string): Promise<string> {
  await using stream = await from.calls.open(to.identity.nodeId, "inference", o);
  await stream.send(Buffer.from(words), o);
  await stream.end(o);
  const reply = await stream.receive(o);
  await stream.receive(o);
  return Buffer.from(reply ?? []).toString();
}

async function linked(from: { calls: PooledStreams }, to: TestNode): Promise<void> {
  await say(from, to, "the first goes over libp2p");
  while (from.calls.links().out === 0) await turn();
}

const portOf = (node: TestNode): number => {
  const address = node.libp2p.getMultiaddrs()[0];
  return Number(address?.toString().split("/")[4]);
};

t.test("both sides make links, whoever dialled", async (t) => {
  const [a, b] = [await open(t), await open(t)];
  await a.libp2p.dial(b.libp2p.getMultiaddrs());
  await linked(a, b);
  await linked(b, a);
  t.same(a.calls.links(), { out: 1, in: 1 });
  t.equal(await say(a, b, "over a link"), "over a link");
  t.equal(await say(b, a, "back"), "back");
  t.same(a.calls.links(), { out: 1, in: 1 }, "it is used again");
});

t.test("a link ends with the connection to its peer, and another is made", async (t) => {
  const [a, b] = [await open(t), await open(t)];
  await a.libp2p.dial(b.libp2p.getMultiaddrs());
  await linked(a, b);
  for (const connection of a.libp2p.getConnections()) connection.abort(new Error("cut"));
  while (a.calls.links().out > 0 || b.calls.links().in > 0) await turn();
  t.pass("both sides let it go");
  await a.libp2p.dial(b.libp2p.getMultiaddrs());
  await linked(a, b);
  t.equal(await say(a, b, "again"), "again");
});

t.test(
  "where no link can be made everything goes over libp2p, and a link is not asked for at once again",
  async (t) => {
    const clock = new ManualClock();
    const [a, b] = [await open(t, clock), await open(t)];
    let asked = 0;
    const grant = b.links.grant.bind(b.links);
    b.links.grant = (wanted) => {
      asked++;
      const key = grant(wanted);
      return key && { ...key, key: new Uint8Array(32) };
    };
    await a.libp2p.dial(b.libp2p.getMultiaddrs());
    for (let i = 0; i < 20; i++) t.equal(await say(a, b, `message ${i}`), `message ${i}`);
    t.same(a.calls.links(), { out: 0, in: 0 });
    t.equal(asked, 1);
  },
);

t.test("who has no key gets no link, and harms nothing", async (t) => {
  const [a, b] = [await open(t), await open(t)];
  const port = portOf(b);
  const sockets: Socket[] = [];
  const rows: readonly (readonly [string, Uint8Array])[] = [
    ["a hello without end", Uint8Array.of(22, 3, 1, 0, 200, 1)],
    ["garbage in TLS's clothes", Buffer.alloc(20_000, 22)],
    ["a key that was never given", Buffer.from("1603010200", "hex")],
    ["neither TLS nor libp2p", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
  ];
  for (const [what, bytes] of rows) {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {});
    sockets.push(socket);
    await once(socket, "connect");
    socket.write(bytes);
    t.same(b.calls.links().in, 0, what);
  }
  const identity = "00".repeat(16);
  const key = { identity, key: new Uint8Array(32) };
  const address = multiaddr(`/ip4/127.0.0.1/tcp/${port}`);
  await t.rejects(b.links.connect({ addresses: [address] }, key, o), "a key that was made up");
  await t.rejects(b.links.connect({ addresses: [] }, key, o), {
    message: "no address of the peer is known",
  });
  await a.libp2p.dial(b.libp2p.getMultiaddrs());
  await linked(a, b);
  t.equal(await say(a, b, "hello"), "hello");
  for (const socket of sockets) socket.destroy();
});

t.test("a key is good for one handshake", async (t) => {
  const b = await open(t);
  const { nodeId: peer } = await newIdentity();
  const address = multiaddr(`/ip4/127.0.0.1/tcp/${portOf(b)}`);
  const key = b.links.grant({ peer, protocol: "inference" });
  if (!key) throw new Error("no key");
  const socket = await b.links.connect({ addresses: [address] }, key, o);
  await t.rejects(b.links.connect({ addresses: [address] }, key, o));
  while (b.calls.links().in === 0) await turn();
  t.equal(b.calls.links().in, 1);
  socket.destroy();
});

t.test("an address where nobody answers does not keep it from the next", async (t) => {
  const b = await open(t);
  const { nodeId: peer } = await newIdentity();
  const closed = createServer().listen(0, "127.0.0.1");
  await once(closed, "listening");
  const address = closed.address();
  const nobody = typeof address === "object" && address ? address.port : 0;
  closed.close();
  const key = b.links.grant({ peer, protocol: "blob" });
  if (!key) throw new Error("no key");
  const addresses = [nobody, portOf(b)].map((port) => multiaddr(`/ip4/127.0.0.1/tcp/${port}`));
  const socket = await b.links.connect({ addresses }, key, o);
  t.equal(socket.remotePort, portOf(b));
  socket.destroy();
});

t.test("where a peer is looked for", (t) => {
  const at = (text: string) => multiaddr(text);
  const announced = ["/ip4/10.0.0.2/tcp/4001", "/ip4/192.0.2.7/tcp/14001"].map(at);
  const rows = [
    {
      what: "where we reached it, first",
      connections: [
        {
          direction: "outbound",
          remoteAddr: at(
            "/ip4/192.0.2.7/tcp/14001/p2p/12D3KooWGzBXmpLWCVMbDvZRCmKNqZz7RwYHbZtkrh8nRdbqGMb6",
          ),
        },
      ],
      expected: ["/ip4/192.0.2.7/tcp/14001", "/ip4/10.0.0.2/tcp/4001"],
    },
    {
      what: "what it announces where it came from, before the rest",
      connections: [{ direction: "inbound", remoteAddr: at("/ip4/192.0.2.7/tcp/55555") }],
      expected: ["/ip4/192.0.2.7/tcp/14001", "/ip4/10.0.0.2/tcp/4001"],
    },
    {
      what: "nowhere that it does not announce, when it dialled us",
      connections: [{ direction: "inbound", remoteAddr: at("/ip4/198.51.100.1/tcp/55555") }],
      expected: ["/ip4/10.0.0.2/tcp/4001", "/ip4/192.0.2.7/tcp/14001"],
    },
    {
      what: "a name that we dialled",
      connections: [{ direction: "outbound", remoteAddr: at("/dns4/node-2/tcp/4001") }],
      expected: ["/dns4/node-2/tcp/4001", "/ip4/10.0.0.2/tcp/4001", "/ip4/192.0.2.7/tcp/14001"],
    },
  ] as const;
  for (const { what, connections, expected } of rows) {
    const texts = linkAddresses(connections, announced).map((address) =>
      address.toString().replace(/\/p2p\/.*/, ""),
    );
    t.same(texts, expected, what);
  }
  t.end();
});

t.test("whoever has said nothing yet does not hold up the end, nor harm it", async (t) => {
  const sockets: Socket[] = [];
  for (const hello of [undefined, Uint8Array.of(19), Uint8Array.of(22, 3, 1)]) {
    const node = await openTestNode();
    const closed: Promise<unknown>[] = [];
    for (let i = 0; i < 5; i++) {
      const socket = connect(portOf(node), "127.0.0.1").on("error", () => {});
      await once(socket, "connect");
      closed.push(new Promise((resolve) => socket.once("close", resolve)));
      sockets.push(socket);
      // It arrives while the node closes.
      if (hello) socket.write(hello);
    }
    await node[Symbol.asyncDispose]();
    for (const socket of sockets) socket.resume();
    await Promise.all(closed);
  }
  t.equal(sockets.filter(({ destroyed }) => !destroyed).length, 0);
});
