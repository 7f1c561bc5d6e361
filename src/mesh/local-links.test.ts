import { createHmac } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import t, { type Test } from "tap";
import { newIdentity, openTestNode } from "../../test/fixtures/libp2p-nodes.ts";
import { ManualClock } from "../../test/fixtures/manual-clock.ts";
import { systemClock } from "../core/clock.ts";
import { silentLog } from "../core/log.ts";
import { LinkReads } from "./carrier.ts";
import { type LinkGrant, LinkKeys } from "./link-keys.ts";
import { connectLocally, LocalLinks } from "./local-links.ts";
import { PooledStreams } from "./pooled-streams.ts";

const o = { signal: new AbortController().signal };
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
const pathOf = (name: string): string => `\0ollamamax-link-${name}`;

async function open(t: Test) {
  const keys = new LinkKeys(new ManualClock());
  const made: { readonly socket: Socket; readonly grant: LinkGrant }[] = [];
  const links = await LocalLinks.open({
    take: (identity) => keys.take(identity),
    onLink: (socket, grant) => made.push({ socket, grant }),
    log: silentLog,
  });
  if (!links) throw new Error("no local sockets here");
  t.teardown(() => links[Symbol.asyncDispose]());
  const { nodeId: peer } = await newIdentity();
  const issue = () => {
    const key = keys.issue({ peer, protocol: "inference" });
    if (!key) throw new Error("no key");
    return key;
  };
  return { name: links.name, made, issue, links };
}

if (process.platform !== "linux") t.bailout("abstract sockets are Linux's");

t.test("both sides have shown the key; what the caller says at once is not lost", async (t) => {
  const { name, made, issue } = await open(t);
  const socket = await connectLocally(name, issue(), o);
  if (!socket) throw new Error("no link");
  socket.write("hello");
  while (made.length === 0) await turn();
  const link = made[0];
  t.equal(link?.grant.protocol, "inference");
  const [bytes] = (await once(link?.socket as Socket, "data")) as [Buffer];
  t.equal(bytes.toString(), "hello");
  const said = Promise.withResolvers<string>();
  LinkReads.of(socket)?.listen({
    data: (bytes) => said.resolve(Buffer.from(bytes).toString()),
    room: () => undefined,
    filled: () => {},
  });
  link?.socket.write("back");
  t.equal(await said.promise, "back");
  socket.destroy();
});

t.test("who has no key gets no link", async (t) => {
  const { name, made, issue } = await open(t);
  const { identity, key } = issue();
  const other = new Uint8Array(32);
  await t.rejects(connectLocally(name, { identity, key: other }, o), /has not the key/);
  await t.rejects(connectLocally(name, { identity, key }, o), "a key is good for one handshake");
  await t.rejects(connectLocally(name, { identity: "0".repeat(32), key }, o));
  for (const said of ["", "short", "x".repeat(4_000)]) {
    const socket = connect(pathOf(name)).on("error", () => {});
    const closed = once(socket, "close");
    socket.end(said);
    socket.resume();
    await closed;
  }
  const late = issue();
  const socket = connect(pathOf(name)).on("error", () => {});
  socket.write(late.identity);
  await once(socket, "data");
  const closed = once(socket, "close");
  socket.write(createHmac("sha256", other).update("guessed").digest());
  await closed;
  t.equal(made.length, 0);
});

t.test("nobody else's socket is spoken to", async (t) => {
  const { issue } = await open(t);
  for (const name of [
    "",
    "0".repeat(32),
    "../../run/docker.sock",
    "/run/docker.sock",
    "0",
    "\0x",
  ]) {
    t.equal(await connectLocally(name, issue(), o), undefined, JSON.stringify(name));
  }
});

t.test("whoever has the name but not the key is not believed", async (t) => {
  const { issue } = await open(t);
  const name = "ab".repeat(16);
  const servers: Server[] = [];
  for (const answer of [Buffer.alloc(32), Buffer.alloc(5), Buffer.alloc(40), Buffer.alloc(0)]) {
    const server = createServer((socket) => {
      socket.on("error", () => {}).resume();
      socket.end(answer);
    });
    servers.push(server);
    await once(server.listen(pathOf(name)), "listening");
    await t.rejects(connectLocally(name, issue(), o));
    server.close();
    await once(server, "close");
  }
});

t.test("an abort ends the wait for an answer", async (t) => {
  const { issue } = await open(t);
  const name = "cd".repeat(16);
  const sockets: Socket[] = [];
  const server = createServer((socket) => sockets.push(socket));
  await once(server.listen(pathOf(name)), "listening");
  const aborter = new AbortController();
  const connecting = connectLocally(name, issue(), { signal: aborter.signal });
  await once(server, "connection");
  aborter.abort(new Error("no more"));
  await t.rejects(connecting);
  for (const socket of sockets) socket.destroy();
  server.close();
});

t.test("closing ends what is there", async (t) => {
  const { name, links, issue } = await open(t);
  const socket = await connectLocally(name, issue(), o);
  const closed = once(socket as Socket, "close");
  socket?.resume();
  const silent = connect(pathOf(name)).on("error", () => {});
  await once(silent, "connect");
  await links[Symbol.asyncDispose]();
  await closed;
  t.equal(await connectLocally(name, issue(), o), undefined, "the name is free");
});

t.test("nodes use them where both may, and TLS otherwise", async (t) => {
  const rows = [
    { caller: true, callee: true, expected: undefined },
    { caller: true, callee: false, expected: "127.0.0.1" },
    { caller: false, callee: true, expected: "127.0.0.1" },
  ];
  for (const { caller, callee, expected } of rows) {
    const sockets: Socket[] = [];
    const open = async (local: boolean) => {
      const node = await openTestNode(undefined, { local });
      const { libp2p, links } = node;
      const connect = links.connect.bind(links);
      links.connect = async (...args) => {
        const socket = await connect(...args);
        sockets.push(socket);
        return socket;
      };
      const deps = { libp2p, links, clock: systemClock, log: silentLog, isDenied: () => false };
      const calls = await PooledStreams.open(deps);
      calls.handle("inference", async (stream) => {
        await stream.end(o, (await stream.receive(o)) ?? undefined);
      });
      return { ...node, calls };
    };
    const [a, b] = [await open(caller), await open(callee)];
    await a.libp2p.dial(b.libp2p.getMultiaddrs());
    const say = async (words: string): Promise<string> => {
      await using stream = await a.calls.open(b.identity.nodeId, "inference", o);
      await stream.end(o, Buffer.from(words));
      const reply = await stream.receive(o);
      await stream.receive(o);
      return Buffer.from(reply ?? []).toString();
    };
    t.equal(await say("the first goes over libp2p"), "the first goes over libp2p");
    while (a.calls.links().out === 0) await turn();
    t.equal(await say("over a link"), "over a link");
    t.equal(sockets.length, 1);
    t.equal(sockets[0]?.remoteAddress, expected, JSON.stringify({ caller, callee }));
    for (const { calls, ...node } of [a, b]) {
      await calls[Symbol.asyncDispose]();
      await node[Symbol.asyncDispose]();
    }
  }
});
