import { execFileSync } from "node:child_process";
import t from "tap";

/** What a process that logs like this writes on its standard output, which is no terminal. */
function lines(code: string): Record<string, unknown>[] {
  const program = `
    import { openLogger } from ${JSON.stringify(new URL("./logger.ts", import.meta.url).href)};
    const log = openLogger({ level: "info", environment: "test", node: "n-1" });
    ${code}`;
  const output = execFileSync(process.execPath, [
    "--input-type=module-typescript",
    "--eval",
    program,
  ]);
  return output
    .toString()
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

t.test("a line names who says it, where, when and how bad it is", (t) => {
  const [line] = lines(`log.child({ component: "mesh" }).warn({ requestId: "r-1" }, "text");`);
  t.match(line, {
    level: "warn",
    service: "ollamamax",
    environment: "test",
    node: "n-1",
    component: "mesh",
    requestId: "r-1",
    msg: "text",
  });
  t.match(line?.["time"], /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  t.end();
});

t.test("what is below the level is not written, and no secret is", (t) => {
  const written = lines(`
    log.debug({}, "quiet");
    log.info({ password: "hunter2", options: { token: "hunter2" }, prompt: "hunter2" }, "loud");`);
  t.match(written, [{ msg: "loud", password: "[secret]", options: { token: "[secret]" } }]);
  t.notMatch(JSON.stringify(written), /hunter2/);
  t.end();
});
