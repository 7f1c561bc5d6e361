import t from "tap";
import { ManualClock } from "../../test/fixtures/manual-clock.ts";
import { Broadcast } from "./broadcast.ts";
import { parseBlobDigest, parseManifestDigest } from "./digest.ts";
import { LinkedSignal } from "./linked-signal.ts";
import { parseNodeId } from "./node-id.ts";
import { canServe } from "./node-view.ts";
import { sample, seededRandom } from "./random.ts";
import { retry } from "./retry.ts";

t.test("broadcast drops the oldest for a slow reader and ends with the signal", async (t) => {
  const broadcast = new Broadcast<number>(2);
  const stop = new AbortController();
  const values = broadcast.subscribe({ signal: stop.signal });
  for (const value of [1, 2, 3]) broadcast.publish(value);
  const got: number[] = [];
  for await (const value of values) {
    got.push(value);
    if (got.length === 2) stop.abort();
  }
  t.same(got, [2, 3]);
});

t.test("retry waits longer each time and gives up with the last error", async (t) => {
  const clock = new ManualClock();
  const tries: number[] = [];
  const done = retry(
    async () => {
      tries.push(clock.nowMs());
      throw new Error(`try ${tries.length}`);
    },
    { firstMs: 100, maxMs: 150, triesMax: 3 },
    { clock, random: { next: () => 0.5 }, signal: new AbortController().signal },
  );
  const rejected = t.rejects(done, { message: "try 3" });
  await clock.advance(1_000);
  await rejected;
  t.same(tries, [0, 100, 250]);
});

t.test("sample takes different items", (t) => {
  const random = seededRandom(1);
  for (let round = 0; round < 100; round++) {
    t.equal(new Set(sample(random, [1, 2, 3, 4], 3)).size, 3, `round ${round}`);
  }
  t.same(sample(random, [1], 5), [1]);
  t.end();
});

t.test("branded ids refuse what is not one", (t) => {
  const hex = "a".repeat(64);
  t.equal(parseBlobDigest(`sha256:${hex.toUpperCase()}`), hex);
  t.equal(parseBlobDigest(`sha256-${hex}`), hex);
  t.equal(parseManifestDigest(hex), hex);
  for (const bad of ["", "sha256:../../etc", `${hex}0`, `sha512:${hex}`, hex.toUpperCase()]) {
    t.equal(parseBlobDigest(bad), undefined, bad);
  }
  t.equal(parseNodeId("12D3KooWGzBXWNvHpLAMyzXUp1Pwz2Ds7d2ya7nNvZ3fFvyBJm1q")?.length, 52);
  t.equal(parseNodeId("QmNot"), undefined);
  t.end();
});

t.test("canServe", (t) => {
  t.ok(canServe({ health: "alive", state: "active" }));
  t.ok(canServe({ health: "suspect", state: "active" }));
  t.notOk(canServe({ health: "failed", state: "active" }));
  t.notOk(canServe({ health: "alive", state: "draining" }));
  t.notOk(canServe({ health: "left", state: "leaving" }));
  t.end();
});

t.test("a linked signal aborts with its first source, and listens to none when disposed", (t) => {
  const [a, b] = [new AbortController(), new AbortController()];
  {
    using linked = new LinkedSignal(a.signal, b.signal);
    t.notOk(linked.signal.aborted);
    b.abort("b");
    a.abort("a");
    t.equal(linked.signal.reason, "b");
    using late = new LinkedSignal(new AbortController().signal, a.signal);
    t.equal(late.signal.reason, "a");
    using own = new LinkedSignal();
    own.abort("own");
    t.equal(own.signal.reason, "own");
  }
  const c = new AbortController();
  const over = new LinkedSignal(c.signal);
  over[Symbol.dispose]();
  c.abort();
  t.notOk(over.signal.aborted);
  t.end();
});
