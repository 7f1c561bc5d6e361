import { createServer, type Socket } from "node:net";
import { multiaddr } from "@multiformats/multiaddr";
import t, { type Test } from "tap";
import { newIdentity, openTestNode, type TestNode } from "../../test/fixtures/libp2p-nodes.ts";
import { ManualClock } from "../../test/fixtures/manual-clock.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { silentLog } from "../core/log.ts";
import type { PeerProtocol, PeerStream } from "../core/ports.ts";
import { peerIdOf } from "./addresses.ts";
import { PooledStreams } from "./pooled-streams.ts";
import { PROTOCOL_POLICIES } from "./protocol-policy.ts";

const o = { signal: new AbortController().signal };
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
const text = (message: Uint8Array | null) => message && Buffer.from(message).toString();

type Carriers = "streams" | "links";

async function openStreams(
  node: TestNode,
  over: Carriers,
  clock: Clock = systemClock,
): Promise<PooledStreams> {
  return PooledStreams.open({
    libp2p: node.libp2p,
    ...(over === "links" ? { links: node.links } : {}),
    clock,
    log: silentLog,
    isDenied: (id) => node.gater.isDenied(id),
  });
}

/** Two connected nodes: the caller and the callee, with a link for each protocol that has them when that is asked for. */
async function pair(t: Test, over: Carriers, clocks: { caller?: Clock; callee?: Clock } = {}) {
  const caller = await openTestNode();
  const callee = await openTestNode();
  const calls = await openStreams(caller, over, clocks.caller);
  const serves = await openStreams(callee, over, clocks.callee);
  t.teardown(async () => {
    await calls[Symbol.asyncDispose]();
    await serves[Symbol.asyncDispose]();
    await caller[Symbol.asyncDispose]();
    await callee[Symbol.asyncDispose]();
  });
  await caller.libp2p.dial(callee.libp2p.getMultiaddrs());
  const to = callee.identity.nodeId;
  if (over === "links") {
    for (const protocol of ["inference", "blob"] as const) {
      using _echoing = serves.handle(protocol, echo);
      const { out } = calls.links();
      await exchange(calls, to, ["make a link"], protocol);
      while (calls.links().out === out) await turn();
    }
  }
  return { caller, callee, calls, serves, to };
}

async function echo(stream: PeerStream): Promise<void> {
  for (;;) {
    const message = await stream.receive(o);
    if (message === null) break;
    await stream.send(message, o);
  }
  await stream.end(o);
}

async function exchange(
  calls: PooledStreams,
  to: PeerStream["peer"],
  messages: readonly string[],
  protocol: PeerProtocol = "inference",
) {
  await using stream = await calls.open(to, protocol, o);
  for (const message of messages) await stream.send(Buffer.from(message), o);
  await stream.end(o);
  const replies: string[] = [];
  for (;;) {
    const reply = await stream.receive(o);
    if (reply === null) return replies;
    replies.push(Buffer.from(reply).toString());
  }
}

const streamCount = (node: TestNode) =>
  node.libp2p
    .getConnections()
    .flatMap(({ streams }) => streams)
    .filter(({ protocol }) => protocol === "/ollamamax/inference/1").length;

for (const over of ["streams", "links"] as const) {
  t.test(`exchanges follow one another on one stream, over ${over}`, async (t) => {
    const { caller, calls, serves, to } = await pair(t, over);
    serves.handle("inference", echo);
    t.same(await exchange(calls, to, ["one", "", "two"]), ["one", "", "two"]);
    t.same(await exchange(calls, to, []), []);
    t.same(await exchange(calls, to, ["x".repeat(200_000)]), ["x".repeat(200_000)]);
    t.ok(streamCount(caller) <= 1);
  });

  t.test(
    `exchanges at the same time have a stream each, used again later, over ${over}`,
    async (t) => {
      const { caller, calls, serves, to } = await pair(t, over);
      serves.handle("inference", echo);
      const names = Array.from({ length: 20 }, (_, i) => `message ${i}`);
      for (let round = 0; round < 3; round++) {
        const replies = await Promise.all(names.map((name) => exchange(calls, to, [name])));
        t.same(replies.flat(), names);
      }
      t.ok(streamCount(caller) <= 20);
    },
  );

  t.test(`a handler may be done before the caller ends, over ${over}`, async (t) => {
    const { caller, calls, serves, to } = await pair(t, over);
    serves.handle("inference", async (stream) => {
      await stream.send(Buffer.from("early"), o);
      await stream.end(o);
    });
    for (let i = 0; i < 3; i++) {
      await using stream = await calls.open(to, "inference", o);
      await stream.send(Buffer.from("unread"), o);
      t.equal(text(await stream.receive(o)), "early");
      t.equal(await stream.receive(o), null);
      await stream.end(o);
    }
    t.ok(streamCount(caller) <= 1);
  });

  t.test(`a caller that leaves early aborts the handler, over ${over}`, async (t) => {
    const { calls, serves, to } = await pair(t, over);
    const aborted = Promise.withResolvers<unknown>();
    serves.handle("inference", async (stream) => {
      stream.signal.addEventListener("abort", () => aborted.resolve(stream.signal.reason));
      await stream.receive(o);
      await stream.send(Buffer.from("first"), o);
      await stream.receive(o).catch(() => {});
      await aborted.promise;
    });
    const stream = await calls.open(to, "inference", o);
    await stream.send(Buffer.from("go"), o);
    t.equal(text(await stream.receive(o)), "first");
    await stream[Symbol.asyncDispose]();
    t.match(await aborted.promise, { code: "STREAM_BROKEN" });
    t.ok(stream.signal.aborted);
    await t.rejects(stream.receive(o), { code: "STREAM_BROKEN" });
    serves.handle("inference", echo);
    t.same(await exchange(calls, to, ["again"]), ["again"], "the next one has a new stream");
  });

  t.test(
    `a handler that fails breaks the caller's exchange, after what it had sent, over ${over}`,
    async (t) => {
      const { calls, serves, to } = await pair(t, over);
      const read = Promise.withResolvers<void>();
      serves.handle("inference", async (stream) => {
        await stream.send(Buffer.from("a token"), o);
        await read.promise;
        throw new Error("the runner died");
      });
      await using stream = await calls.open(to, "inference", o);
      await stream.send(Buffer.from("go"), o);
      t.equal(text(await stream.receive(o)), "a token");
      read.resolve();
      await t.rejects(stream.receive(o), { code: "STREAM_BROKEN" });
      t.ok(stream.signal.aborted);
    },
  );

  t.test(`messages over the limit, over ${over}`, async (t) => {
    const { calls, serves, to } = await pair(t, over);
    const max = PROTOCOL_POLICIES.probe.messageBytesMax;
    serves.handle("probe", echo);
    await using stream = await calls.open(to, "probe", o);
    await t.rejects(stream.send(new Uint8Array(max + 1), o), { code: "INVALID_REQUEST" });
    await stream.send(new Uint8Array(max), o);
    t.equal((await stream.receive(o))?.length, max, "the exchange is still good");
    await stream.end(o);
  });

  t.test(`messages come where the receiver wants them, over ${over}`, async (t) => {
    const { calls, serves, to } = await pair(t, over);
    const sizes = [7, 1_000_000, 0, 40_000, 1_000_000, 1];
    serves.handle("blob", async (stream) => {
      await stream.receive(o);
      for (const [i, size] of sizes.entries()) await stream.send(Buffer.alloc(size, i), o);
      await stream.end(o);
    });
    await using stream = await calls.open(to, "blob", o);
    await stream.end(o, Buffer.from("go"));
    t.same(await stream.receive(o), Buffer.alloc(7));
    const memory = Buffer.alloc(4_000_000);
    let placed = 0;
    placed = stream.putInto((length) => {
      placed += length;
      return memory.subarray(placed - length, placed);
    });
    let start = 0;
    for (let i = 1; i < sizes.length; i++) {
      const [size = 0, message] = [sizes[i], await stream.receive(o)];
      t.ok(message && Buffer.alloc(size, i).equals(message), `message ${i}`);
      if (message?.buffer === memory.buffer) t.equal(message.byteOffset, memory.byteOffset + start);
      start += size;
    }
    t.same([placed, await stream.receive(o)], [start, null]);
  });

  t.test(`memory is free when its message has gone, over ${over}`, async (t) => {
    const { calls, serves, to } = await pair(t, over);
    const [count, sizeOf] = [30, (i: number) => (i % 3 === 2 ? 20_000 : 300_000)];
    let reused = 0;
    serves.handle("blob", async (stream) => {
      await stream.receive(o);
      const free: Buffer[] = [];
      for (let i = 0; i < count; i++) {
        if (free.length > 0) reused++;
        const memory = free.pop() ?? Buffer.alloc(300_000);
        const onSent = (): void => {
          memory.fill(0xee);
          free.push(memory);
        };
        await stream.send(memory.fill(i).subarray(0, sizeOf(i)), { ...o, onSent });
      }
      await stream.end(o);
    });
    await using stream = await calls.open(to, "blob", o);
    await stream.end(o, Buffer.from("go"));
    for (let i = 0; i < count; i++) {
      const message = await stream.receive(o);
      if (!message || !Buffer.alloc(sizeOf(i), i).equals(message)) t.fail(`message ${i}`);
    }
    t.equal(await stream.receive(o), null);
    if (over === "links") t.ok(reused > count / 2, `${reused} of ${count}`);
  });

  t.test(`a peer that breaks the limit is reset, over ${over}`, async (t) => {
    const { caller, callee, serves } = await pair(t, over);
    serves.handle("probe", echo);
    const peer = peerIdOf(callee.identity.nodeId);
    const raw = await caller.libp2p.dialProtocol(peer, "/ollamamax/probe/1");
    const closed = new Promise((resolve) => raw.addEventListener("close", resolve));
    raw.send(Uint8Array.of(0x7f, 0, 0, 0));
    await closed;
    t.equal(raw.status, "reset");
  });

  t.test(
    `too many exchanges with a peer: the next is refused at once, and later admitted, over ${over}`,
    async (t) => {
      const { calls, serves, to } = await pair(t, over);
      serves.handle("replicas", echo);
      const open = () => calls.open(to, "replicas", o);
      const max = PROTOCOL_POLICIES.replicas.exchangesPerPeerMax;
      const streams = await Promise.all(Array.from({ length: max }, open));
      await t.rejects(open(), { code: "BUSY" });
      await streams.pop()?.[Symbol.asyncDispose]();
      const late = await open();
      for (const stream of [late, ...streams]) await stream[Symbol.asyncDispose]();
    },
  );

  t.test(`a peer that never answers, over ${over}`, async (t) => {
    const clock = new ManualClock();
    const { calls, serves, to } = await pair(t, over, { caller: clock });
    serves.handle(
      "blob",
      (stream) =>
        new Promise((resolve) => {
          stream.signal.addEventListener("abort", () => resolve());
        }),
    );
    await using stream = await calls.open(to, "blob", o);
    await stream.send(Buffer.from("go"), o);
    const given = new AbortController();
    const receiving = stream.receive({ signal: given.signal });
    given.abort(new Error("I gave up"));
    await t.rejects(receiving, { message: "I gave up" });
    const stalled = stream.receive(o);
    stalled.catch(() => {});
    await clock.advance(PROTOCOL_POLICIES.blob.stallMs + 1_000);
    await t.rejects(stalled, { code: "STREAM_BROKEN" });
  });

  t.test(`a peer that does not read slows the sender down, over ${over}`, async (t) => {
    const { calls, serves, to } = await pair(t, over);
    const read = Promise.withResolvers<void>();
    let received = 0;
    serves.handle("blob", async (stream) => {
      await read.promise;
      for (;;) {
        const message = await stream.receive(o);
        if (message === null) break;
        received += message.length;
      }
      await stream.end(o);
    });
    await using stream = await calls.open(to, "blob", o);
    const message = new Uint8Array(1_024 ** 2);
    const count = 40;
    let sent = 0;
    const sending = (async () => {
      for (; sent < count; sent++) await stream.send(message, o);
      await stream.end(o);
    })();
    // The window grows to 4 MiB and the inbox holds 2, so the sender comes to a stop; other exchanges go on.
    serves.handle("inference", echo);
    for (let before = -1; before !== sent; ) {
      before = sent;
      for (let i = 0; i < 50; i++) await exchange(calls, to, ["hello"]);
    }
    t.ok(sent > 0 && sent < 20, `${sent} sent`);
    read.resolve();
    await sending;
    t.equal(await stream.receive(o), null);
    t.equal(received, count * message.length);
  });

  t.test(`a dial that nobody answers ends by itself, over ${over}`, async (t) => {
    const clock = new ManualClock();
    const { caller, calls } = await pair(t, over, { caller: clock });
    const sockets: Socket[] = [];
    const connected = Promise.withResolvers<void>();
    const silent = createServer((socket) => {
      sockets.push(socket);
      connected.resolve();
    });
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    t.teardown(() => {
      for (const socket of sockets) socket.destroy();
      silent.close();
    });
    const address = silent.address();
    const port = typeof address === "object" && address ? address.port : 0;
    const { nodeId } = await newIdentity();
    await caller.libp2p.peerStore.merge(peerIdOf(nodeId), {
      multiaddrs: [multiaddr(`/ip4/127.0.0.1/tcp/${port}`)],
    });
    const opening = calls.open(nodeId, "inference", o);
    opening.catch(() => {});
    await connected.promise;
    await clock.advance(10_000);
    await t.rejects(opening, { code: "PEER_UNREACHABLE" });
  });

  t.test(`unknown and denied peers cannot be reached, nor call, over ${over}`, async (t) => {
    const { caller, callee, calls, serves, to } = await pair(t, over);
    const stranger = await newIdentity();
    await t.rejects(calls.open(stranger.nodeId, "inference", o), { code: "PEER_UNREACHABLE" });
    serves.handle("inference", echo);
    callee.gater.deny(caller.identity.nodeId);
    await t.rejects(exchange(calls, to, ["hello"]), { code: "STREAM_BROKEN" });
    caller.gater.deny(to);
    await t.rejects(calls.open(to, "inference", o), { code: "PEER_UNREACHABLE" });
  });

  t.test(`a protocol that nobody serves, over ${over}`, async (t) => {
    const { calls, serves, to } = await pair(t, over);
    const handling = serves.handle("inference", echo);
    handling[Symbol.dispose]();
    await t.rejects(exchange(calls, to, ["hello"]), { code: "STREAM_BROKEN" });
  });

  t.test(`a connection that closes breaks what runs on it, over ${over}`, async (t) => {
    const { caller, calls, serves, to } = await pair(t, over);
    serves.handle("inference", echo);
    await using stream = await calls.open(to, "inference", o);
    await stream.send(Buffer.from("hello"), o);
    await stream.receive(o);
    const receiving = stream.receive(o);
    for (const connection of caller.libp2p.getConnections()) connection.abort(new Error("cut"));
    await t.rejects(receiving, { code: "STREAM_BROKEN" });
  });

  t.test(`unused streams are closed by the side that opened them, over ${over}`, async (t) => {
    const clock = new ManualClock();
    const { caller, calls, serves, to } = await pair(t, over, { caller: clock });
    serves.handle("inference", echo);
    await exchange(calls, to, ["hello"]);
    t.ok(streamCount(caller) <= 1);
    await clock.advance(PROTOCOL_POLICIES.inference.idleMs + 2_000);
    t.same(await exchange(calls, to, ["again"]), ["again"]);
  });

  t.test(`closing ends exchanges on both sides, over ${over}`, async (t) => {
    const { calls, serves, to } = await pair(t, over);
    serves.handle("inference", async (stream) => {
      await stream.receive(o);
      await stream.receive(o);
    });
    const stream = await calls.open(to, "inference", o);
    await stream.send(Buffer.from("hello"), o);
    const receiving = stream.receive(o);
    receiving.catch(() => {});
    await serves[Symbol.asyncDispose]();
    await t.rejects(receiving, { code: "STREAM_BROKEN" });
    await calls[Symbol.asyncDispose]();
    await t.rejects(calls.open(to, "inference", o), { code: "STREAM_BROKEN" });
  });
}
