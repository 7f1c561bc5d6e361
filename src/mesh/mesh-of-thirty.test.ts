import { fork } from "node:child_process";
import { once } from "node:events";
import t from "tap";
import { tempFolder } from "../../test/fixtures/temp-folder.ts";

t.test("thirty nodes behind one address deliver every heartbeat to everyone", async (t) => {
  const script = new URL("../../test/fixtures/mesh-of-thirty.ts", import.meta.url);
  // Their garbage together, in no more rounds than one makes.
  const thirty = fork(script, [tempFolder(t)], { execArgv: ["--max-semi-space-size=64"] });
  t.teardown(() => thirty.kill("SIGKILL"));
  const [code] = await once(thirty, "exit");
  t.equal(code, 0);
});
