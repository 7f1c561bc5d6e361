import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import t from "tap";
import { systemClock } from "../../src/core/clock.ts";
import { TestDaemon } from "../fixtures/daemon.ts";
import { call } from "../fixtures/http.ts";

const PATIENCE_MS = 180_000;
const POLL_MS = 50;

interface Row {
  readonly name: string;
  readonly apiUrl: string;
  readonly peerId: string;
  readonly replicas: string;
}

async function waitFor(what: string, condition: () => boolean): Promise<void> {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  while (!condition()) {
    if (signal.aborted) throw new Error(`never: ${what}`);
    await systemClock.sleep(POLL_MS, signal).catch(() => {});
  }
}

/** Starts `up` and waits for its table. */
async function up(dir: string): Promise<{ readonly process: TestDaemon; readonly rows: Row[] }> {
  const env = {
    OLLAMA_DATA_DIR: dir,
    OLLAMA_DB_PORT: "0",
    OLLAMA_ENVIRONMENT: "test",
    OLLAMA_REPLICAS: "1",
  };
  const process = new TestDaemon(env, ["up", "--nodes", "3"]);
  let ended: unknown;
  void process.ended.then((end) => {
    ended = end;
  });
  await waitFor(`the table\n${process.output}`, () => {
    if (ended) throw new Error(`up ended: ${JSON.stringify(ended)}\n${process.output}`);
    return process.output.includes("Ctrl-C stops everything");
  });
  const rows = [...process.output.matchAll(/^(node-\d) +(http\S+) +\S+ +(12D3\S+) +(\S+)$/gm)];
  return {
    process,
    rows: rows.map(([, name = "", apiUrl = "", peerId = "", replicas = ""]) => {
      return { name, apiUrl, peerId, replicas };
    }),
  };
}

const pidIn = (file: string): number => Number.parseInt(readFileSync(file, "utf8"), 10);
const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}`);
const pidsOf = (dir: string): number[] => [
  ...["node-1", "node-2", "node-3"].map((name) => pidIn(path.join(dir, name, "node.pid"))),
  pidIn(path.join(dir, "postgres", "postmaster.pid")),
];

t.test("one command starts a cluster, keeps it up, and stops it without a trace", async (t) => {
  const dir = mkdtempSync(path.join(tmpdir(), "ollamamax-up-"));
  chmodSync(dir, 0o755);
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));

  const first = await up(dir);
  await using _first = first.process;
  t.same(
    first.rows.map(({ name, replicas }) => [name, replicas]),
    [
      ["node-1", "tiny-chat:latest"],
      ["node-2", "tiny-chat:latest"],
      ["node-3", "-"],
    ],
  );
  const third = first.rows[2]?.apiUrl;
  const answer = await call(`${third}/api/generate`, {
    model: "tiny-chat",
    prompt: "who are you?",
  });
  t.equal(answer.status, 200, answer.text);

  const again = await new TestDaemon({ OLLAMA_DATA_DIR: dir, OLLAMA_DB_PORT: "0" }, ["up"]).ended;
  t.match(again, { code: 1, stderr: /is in use by process \d+/ }, "a second one is refused");

  process.kill(pidIn(path.join(dir, "node-2", "node.pid")), "SIGKILL");
  await waitFor("node-2 is started again", () => first.process.output.includes("node-2 is back"));
  process.kill(pidIn(path.join(dir, "postgres", "postmaster.pid")), "SIGKILL");
  await waitFor("Postgres is started again", () =>
    first.process.output.includes("embedded Postgres runs again"),
  );

  const running = pidsOf(dir);
  t.ok(running.every(isAlive));
  const end = await first.process.kill("SIGINT");
  t.same({ code: end.code, signal: end.signal }, { code: 0, signal: null }, first.process.output);
  t.notOk(running.some(isAlive), "no process is left");

  const second = await up(dir);
  await using _second = second.process;
  t.same(
    second.rows.map(({ peerId }) => peerId),
    first.rows.map(({ peerId }) => peerId),
    "the same identities",
  );
  const orphans = pidsOf(dir);
  await second.process.kill("SIGKILL");
  await waitFor("the daemons drain by themselves", () => !orphans.slice(0, 3).some(isAlive));

  const afterKill = await up(dir);
  await using _afterKill = afterKill.process;
  t.notOk(orphans.some(isAlive), "the Postgres that was left behind is replaced");
  t.equal((await afterKill.process.kill("SIGTERM")).code, 0);

  const frozen = await up(dir);
  await using _frozen = frozen.process;
  const left = pidsOf(dir);
  process.kill(left[0] ?? 0, "SIGSTOP");
  let forced: unknown;
  void frozen.process.ended.then((end) => {
    forced = end;
  });
  await waitFor("a second Ctrl-C ends what does not end by itself", () => {
    frozen.process.child.kill("SIGINT");
    return forced !== undefined;
  });
  t.match(forced, { code: 1 });
  t.match(frozen.process.output, /stopped at once/);
  await waitFor("nothing is left of it", () => !left.some(isAlive));
});
