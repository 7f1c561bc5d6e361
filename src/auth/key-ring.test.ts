import t from "tap";
import { TestKeySource, testKey } from "../../test/fixtures/key-source.ts";
import { ManualClock } from "../../test/fixtures/manual-clock.ts";
import { recordingLog } from "../../test/fixtures/recording-log.ts";
import { recordingMetrics } from "../../test/fixtures/recording-metrics.ts";
import { seededRandom } from "../core/random.ts";
import { makeApiKey } from "./api-key.ts";
import { KeyRing } from "./key-ring.ts";

const FIVE_SECONDS_MS = 5_000;

async function open(source: TestKeySource) {
  const clock = new ManualClock();
  const log = recordingLog();
  const metrics = recordingMetrics();
  const deps = { source, clock, log, metrics, random: seededRandom(1) };
  return { ring: await KeyRing.open(deps), clock, log, metrics };
}

const known = ({ record: { keyId, userId, role } }: ReturnType<typeof testKey>) => ({
  kind: "known",
  principal: { keyId, userId, role },
});
const refused = (reason: string) => ({ kind: "refused", reason });

t.test("keys are told apart from the moment it is open", async (t) => {
  const key = testKey("user");
  const revoked = testKey("admin", { revoked: true });
  const expired = testKey("admin", { expiresInMs: 0 });
  const { ring, metrics } = await open(new TestKeySource([key, revoked, expired]));
  await using _ = ring;
  t.ok(ring.ready);
  t.same(ring.identify(key.text), known(key));
  t.same(ring.identify(revoked.text), refused("revoked"));
  t.same(ring.identify(expired.text), refused("expired"));
  t.same(ring.identify(makeApiKey().text), refused("unknown"));
  t.same(ring.identify("hunter2"), refused("malformed"));
  t.same(ring.identify(key.record.hash), refused("malformed"), "what is kept opens nothing");
  t.ok(ring.may("user", "models.use"));
  t.notOk(ring.may("readonly", "models.use"));
  t.equal(metrics.value("ollamamax_auth_keys"), 1);
});

t.test("what changes is known within five seconds", async (t) => {
  const [old, fresh] = [testKey("user"), testKey("admin")];
  const source = new TestKeySource([old]);
  const { ring, clock } = await open(source);
  await using _ = ring;
  for (let round = 0; round < 20; round++) {
    source.records = [{ ...old.record, revoked: true }, fresh.record];
    await clock.advance(FIVE_SECONDS_MS);
    t.same(ring.identify(old.text), refused("revoked"), `round ${round}`);
    t.same(ring.identify(fresh.text), known(fresh), `round ${round}`);
    source.records = [old.record];
    await clock.advance(FIVE_SECONDS_MS);
    t.same(ring.identify(old.text), known(old), `round ${round}`);
    t.same(ring.identify(fresh.text), refused("unknown"), `round ${round}`);
  }
});

t.test("without the database the last keys hold, until they expire; it is told once", async (t) => {
  const [lasting, ending] = [testKey("user"), testKey("user", { expiresInMs: 60_000 })];
  const source = new TestKeySource([lasting, ending]);
  const { ring, clock, log, metrics } = await open(source);
  await using _ = ring;
  source.failure = new Error("cannot reach the database");
  await clock.advance(59_000);
  t.same(ring.identify(ending.text), known(ending));
  await clock.advance(1_000);
  t.same(ring.identify(ending.text), refused("expired"));
  await clock.advance(3_600_000);
  t.same(ring.identify(lasting.text), known(lasting));
  t.equal(metrics.value("ollamamax_auth_keys_age_seconds"), 3_660);
  t.match(log.lines, [
    {
      level: "warn",
      text: "keys cannot be read; those read before hold",
      fields: { problem: "cannot reach the database" },
    },
  ]);
  source.failure = undefined;
  await clock.advance(FIVE_SECONDS_MS);
  t.match(log.lines.at(-1), { level: "info", text: "keys are read again" });
  t.ok(metrics.value("ollamamax_auth_keys_age_seconds") < 5);
});

t.test("before any keys were read nobody is told from anybody", async (t) => {
  const key = testKey("user");
  const source = new TestKeySource([key]);
  source.failure = new Error("cannot reach the database");
  const { ring, clock } = await open(source);
  await using _ = ring;
  t.notOk(ring.ready);
  t.same(ring.identify(key.text), { kind: "unready" });
  t.same(ring.identify("hunter2"), { kind: "unready" });
  source.failure = undefined;
  await clock.advance(FIVE_SECONDS_MS);
  t.ok(ring.ready);
  t.same(ring.identify(key.text), known(key));
});

t.test("a cluster without any valid key tells how to make one, once", async (t) => {
  for (const keys of [[], [testKey("admin", { revoked: true })]]) {
    const { ring, clock, log } = await open(new TestKeySource(keys));
    await clock.advance(60_000);
    await ring[Symbol.asyncDispose]();
    t.match(log.lines, [
      { level: "warn", fields: { command: /^ollamamax key create/ }, text: /there is no key/ },
    ]);
    t.equal(log.lines.length, 1);
  }
});

t.test("uses are written in batches, each key's once a minute, and never lost", async (t) => {
  const [a, b] = [testKey("user"), testKey("user")];
  const source = new TestKeySource([a, b]);
  const { ring, clock } = await open(source);
  await using _ = ring;
  for (let times = 0; times < 100; times++) ring.identify(a.text);
  ring.identify(b.text);
  await clock.advance(30_000);
  t.same(source.used, [[a.record.keyId, b.record.keyId]]);
  ring.identify(a.text);
  await clock.advance(15_000);
  t.equal(source.used.length, 1, "not within the minute");
  await clock.advance(30_000);
  ring.identify(a.text);
  source.failure = new Error("away");
  await clock.advance(10_000);
  t.equal(source.used.length, 1);
  source.failure = undefined;
  await clock.advance(FIVE_SECONDS_MS);
  t.same(source.used[1], [a.record.keyId]);
});

t.test("a disposed ring asks nothing any more", async (t) => {
  const source = new TestKeySource();
  const { ring, clock } = await open(source);
  await ring[Symbol.asyncDispose]();
  t.equal(clock.sleeping, 0);
  const { reads } = source;
  await clock.advance(60_000);
  t.equal(source.reads, reads);
});
