import type { MessageStream } from "@libp2p/interface";
import t from "tap";
import { joinWrites } from "./joined-writes.ts";

/** What joinWrites takes of a connection, and what came to it. */
class Wire extends EventTarget {
  status = "open";
  accepts = true;
  failing = false;
  readonly sent: string[] = [];

  send(data: Uint8Array): boolean {
    if (this.failing) throw new Error("gone");
    this.sent.push(Buffer.from(data).toString("hex"));
    return this.accepts;
  }

  async close(): Promise<void> {
    this.status = "closed";
    this.sent.push("closed");
  }
}

function joined() {
  const raw = new Wire();
  const wire = new Wire();
  const secured = wire as unknown as MessageStream;
  joinWrites(raw as unknown as MessageStream, secured);
  return { raw, wire, secured };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A window update of stream 1. */
function grant(bytes: number, flags = 0): Uint8Array {
  const frame = Buffer.from("000100000000000100000000", "hex");
  frame.writeUInt16BE(flags, 2);
  frame.writeUInt32BE(bytes, 8);
  return new Uint8Array(frame);
}

t.test("what is sent in one turn goes out together, in order", async (t) => {
  const { wire, secured } = joined();
  secured.send(Uint8Array.of(1));
  await Promise.resolve();
  secured.send(Uint8Array.of(2));
  await Promise.resolve().then(() => secured.send(Uint8Array.of(3)));
  t.same(wire.sent, []);
  await turn();
  t.same(wire.sent, ["010203"]);
  secured.send(Uint8Array.of(4));
  await turn();
  t.same(wire.sent, ["010203", "04"]);
});

t.test("small window updates wait for what goes the same way", async (t) => {
  const { wire, secured } = joined();
  secured.send(grant(100));
  await turn();
  t.same(wire.sent, []);
  secured.send(Uint8Array.of(1));
  await turn();
  t.same(wire.sent, [`${Buffer.from(grant(100)).toString("hex")}01`]);
});

t.test("window updates go by themselves before they hold up the sender", async (t) => {
  const rows: readonly (readonly [bytes: number, count: number])[] = [
    [64 * 1_024, 1],
    [16 * 1_024, 4],
    [1, 64],
  ];
  for (const [bytes, count] of rows) {
    const { wire, secured } = joined();
    for (let i = 1; i < count; i++) secured.send(grant(bytes));
    await turn();
    t.same(wire.sent, [], `${count - 1} of ${bytes} bytes`);
    secured.send(grant(bytes));
    await turn();
    t.equal(wire.sent[0]?.length, 24 * count, `${count} of ${bytes} bytes`);
  }
});

t.test("a window update that opens, ends or resets a stream does not wait", async (t) => {
  for (const flags of [1, 2, 4, 8]) {
    const { wire, secured } = joined();
    secured.send(grant(0, flags));
    await turn();
    t.equal(wire.sent.length, 1, `flags ${flags}`);
  }
});

t.test("much at once is sent at once, and its answer is the transport's", (t) => {
  const { wire, secured } = joined();
  wire.accepts = false;
  t.equal(secured.send(new Uint8Array(100_000)), false);
  t.equal(wire.sent.length, 1);
  t.equal(secured.send(Uint8Array.of(1)), false, "it is still full");
  wire.dispatchEvent(new Event("drain"));
  t.equal(secured.send(Uint8Array.of(1)), true);
  t.end();
});

t.test("what waits goes out before the transport closes", async (t) => {
  const { raw, wire, secured } = joined();
  secured.send(grant(1));
  secured.send(Uint8Array.of(1));
  await raw.close();
  t.equal(wire.sent.length, 1);
  t.same(raw.sent, ["closed"]);
  await turn();
  t.equal(wire.sent.length, 1);
});

t.test("a transport that has gone ends nothing but itself", async (t) => {
  const { wire, secured } = joined();
  secured.send(Uint8Array.of(1));
  wire.failing = true;
  await turn();
  t.equal(secured.send(Uint8Array.of(1)), false);
  wire.status = "aborted";
  t.equal(secured.send(Uint8Array.of(1)), false, "and throws at nobody");
});

t.test("noise's length and ciphertext are one write", (t) => {
  const { raw } = joined();
  const pieces = { subarray: () => Uint8Array.of(0, 1, 9) };
  (raw as unknown as { send(data: unknown): boolean }).send(pieces);
  t.same(raw.sent, ["000109"]);
  t.end();
});
