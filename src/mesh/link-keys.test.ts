import t from "tap";
import { newIdentity } from "../../test/fixtures/libp2p-nodes.ts";
import { ManualClock } from "../../test/fixtures/manual-clock.ts";
import { LinkKeys } from "./link-keys.ts";

const { nodeId: peer } = await newIdentity();
const grant = { peer, protocol: "inference" } as const;

t.test("a key is for one handshake of its peer", (t) => {
  const keys = new LinkKeys(new ManualClock());
  const one = keys.issue(grant);
  const other = keys.issue(grant);
  if (!one || !other) throw new Error("no key");
  t.equal(one.key.length, 32);
  t.notSame(one.key, other.key);
  t.match(keys.take(one.identity), { ...grant, key: one.key });
  t.equal(keys.take(one.identity), undefined, "once only");
  t.equal(keys.take("made up"), undefined);
  t.match(keys.take(other.identity), grant);
  t.end();
});

t.test("a key is forgotten after ten seconds", async (t) => {
  const clock = new ManualClock();
  const keys = new LinkKeys(clock);
  const old = keys.issue(grant);
  await clock.advance(9_999);
  const young = keys.issue(grant);
  await clock.advance(1);
  t.equal(keys.take(old?.identity ?? ""), undefined);
  t.match(keys.take(young?.identity ?? ""), grant);
});

t.test("at most 1,024 are out at once", async (t) => {
  const clock = new ManualClock();
  const keys = new LinkKeys(clock);
  for (let i = 0; i < 1_024; i++) keys.issue(grant);
  t.equal(keys.issue(grant), undefined);
  await clock.advance(10_000);
  t.ok(keys.issue(grant));
});
