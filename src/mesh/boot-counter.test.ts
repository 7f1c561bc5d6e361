import { chmodSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { ManualClock } from "../../test/fixtures/manual-clock.ts";
import { tempFolder } from "../../test/fixtures/temp-folder.ts";
import { silentLog } from "../core/log.ts";
import { nextBoot } from "./boot-counter.ts";

const clock = new ManualClock();
const deps = { clock, log: silentLog };
const SECONDS = BigInt(Math.floor(clock.wallMs() / 1_000));

t.test("counts up from one, on disk", async (t) => {
  const folder = path.join(tempFolder(t), "state");
  t.equal(await nextBoot(folder, deps), 1n);
  t.equal(await nextBoot(folder, deps), 2n);
  t.equal(readFileSync(path.join(folder, "boot"), "utf8"), "2\n");
  t.equal(statSync(folder).mode & 0o777, 0o700);
  t.equal(statSync(path.join(folder, "boot")).mode & 0o777, 0o600);
});

t.test(
  "what cannot be read is larger afterwards than any count before, and counted on",
  async (t) => {
    for (const text of ["", "soon", "-1", "1.5", "99999999999", "4294967295"]) {
      const folder = tempFolder(t, { boot: text });
      t.equal(await nextBoot(folder, deps), SECONDS, JSON.stringify(text));
      t.equal(await nextBoot(folder, deps), SECONDS + 1n);
    }
  },
);

t.test("a file that is too large, and a folder that is none, say what to do", async (t) => {
  const large = tempFolder(t, { boot: "1".repeat(100) });
  await t.rejects(nextBoot(large, deps), { code: "STATE_UNREADABLE", message: /OLLAMA_DATA_DIR/ });
  const file = path.join(tempFolder(t), "file");
  writeFileSync(file, "");
  chmodSync(file, 0o600);
  await t.rejects(nextBoot(file, deps), { code: "STATE_UNREADABLE" });
});
