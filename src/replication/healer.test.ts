import t from "tap";
import { digestOf } from "../../test/fixtures/fake-cluster.ts";
import { ManualClock } from "../../test/fixtures/manual-clock.ts";
import { silentLog } from "../core/log.ts";
import { parseModelName } from "../core/model-name.ts";
import { type DamagedModel, Healer } from "./healer.ts";

t.test("tries again until it is healed, and at once when it is told", async (t) => {
  const name = parseModelName("tiny");
  if (!name) throw new Error("no name");
  const clock = new ManualClock();
  let damaged: DamagedModel[] = [];
  let tries = 0;
  let tried = Promise.withResolvers<void>();
  const waitFor = (): Promise<void> => {
    tried = Promise.withResolvers<void>();
    return tried.promise;
  };
  await using healer = Healer.open({
    ...{ clock, log: silentLog },
    damaged: () => damaged,
    copy: async () => {
      tries++;
      tried.resolve();
      if (tries < 3) throw new Error("nobody has it");
      damaged = [];
    },
  });
  t.equal(tries, 0);
  damaged = [{ model: digestOf("one"), name }];
  const first = waitFor();
  healer.wake();
  await first;
  for (const _ of [2, 3]) {
    const next = waitFor();
    await clock.advance(60_000);
    await next;
  }
  t.equal(tries, 3);
  await clock.advance(600_000);
  t.equal(tries, 3, "nothing is left to do");
});
