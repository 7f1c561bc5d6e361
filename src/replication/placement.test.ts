import t from "tap";
import { digestOf, nodeOf, recordOf } from "../../test/fixtures/fake-cluster.ts";
import { ManualClock } from "../../test/fixtures/manual-clock.ts";
import { recordingLog } from "../../test/fixtures/recording-log.ts";
import { recordingMetrics } from "../../test/fixtures/recording-metrics.ts";
import type { KnownJob, NodeJob } from "../core/jobs.ts";
import type { NodeId } from "../core/node-id.ts";
import type { NodeView } from "../core/node-view.ts";
import type { RecordedReplica } from "../core/placement.ts";
import { Placement } from "./placement.ts";

const MINUTE_MS = 60_000;
const fence = { name: "leader", token: 7n };
const options = {
  ...{ wanted: 2, budgetBytes: 2 ** 40, graceMs: 5 * MINUTE_MS, graceBytesPerSecond: 100e6 },
  ...{ intervalMs: 5_000, settleMs: 15_000 },
};
const idOf = (id: string): NodeId => id as NodeId;
const viewOf = (id: string, more: Partial<NodeView> = {}): NodeView =>
  nodeOf({ id: idOf(id), name: id, freeDiskBytes: 2 ** 40, ...more });
const toldOf = (id: string) => ({
  record: { ...recordOf("tiny"), manifest: digestOf("one") },
  holder: { node: idOf(id), state: "ready" as const, ageMs: 0 },
});
const recordedOf = (id: string, placed = false): RecordedReplica => ({
  ...{ node: idOf(id), name: recordOf("tiny").name, model: digestOf("one") },
  ...{ sizeBytes: 5, state: "ready", placed },
});

function cluster(start: {
  readonly nodes: readonly NodeView[];
  readonly told: readonly string[];
  readonly recorded?: readonly RecordedReplica[];
}) {
  const clock = new ManualClock();
  const state = { ...start, jobs: [] as KnownJob[], failure: undefined as Error | undefined };
  const calls: string[] = [];
  const log = recordingLog();
  const placement = new Placement(options, {
    records: {
      replicas: async () => {
        if (state.failure) throw state.failure;
        return state.recorded ?? [];
      },
      wanted: async () => new Map(),
    },
    jobs: {
      list: async () => state.jobs,
      send: async (node: NodeId, job: NodeJob, o) => {
        calls.push(`${job.kind} ${node} ${o.fence?.token}`);
        state.jobs = [...state.jobs, { ...job, node, id: `${state.jobs.length}`, state: "queued" }];
        return true;
      },
      cancel: async ({ id, node }) => {
        calls.push(`cancel ${node}`);
        state.jobs = state.jobs.filter((job) => job.id !== id);
      },
    },
    view: { nodes: () => state.nodes },
    replicas: { replicas: () => state.told.map(toldOf) },
    ...{ clock, log, metrics: recordingMetrics() },
  });
  const term = new AbortController();
  const ran = placement.run(fence, term);
  const end = async (): Promise<void> => {
    term.abort();
    await ran;
  };
  return { clock, state, calls, log, end };
}

t.test(
  "a model that has too few replicas is copied, once, after the leader has settled",
  async (t) => {
    const { clock, calls, end } = cluster({ nodes: [viewOf("a"), viewOf("b")], told: ["a"] });
    await clock.advance(14_000);
    t.same(calls, []);
    await clock.advance(60_000);
    t.same(calls, ["copy b 7"]);
    await end();
  },
);

t.test(
  "who restarts moves nothing; who stays away does, and is called off on return",
  async (t) => {
    const { clock, state, calls, end } = cluster({
      nodes: [viewOf("a"), viewOf("b", { health: "failed" }), viewOf("c")],
      told: ["a"],
      recorded: [recordedOf("a"), recordedOf("b")],
    });
    await clock.advance(15_000 + 4 * MINUTE_MS);
    t.same(calls, [], "its replica counts by what it recorded");
    await clock.advance(2 * MINUTE_MS);
    t.same(calls, ["copy c 7"]);
    state.nodes = [viewOf("a"), viewOf("b"), viewOf("c")];
    state.told = ["a", "b"];
    await clock.advance(5_000);
    t.same(calls, ["copy c 7", "cancel c"]);
    await end();
  },
);

t.test("three nodes of ten that restart within three minutes move nothing", async (t) => {
  const names = [..."abcdefghij"];
  const restarted = ["a", "b", "c"];
  const holders = ["a", "b"];
  const { clock, state, calls, end } = cluster({
    nodes: names.map((name) => viewOf(name)),
    told: holders,
    recorded: holders.map((name) => recordedOf(name)),
  });
  await clock.advance(MINUTE_MS);
  /** Away from its half minute on, for two minutes and a half: for a while all that have the model are. */
  const isAway = (name: string, halfMinute: number): boolean => {
    const from = restarted.indexOf(name);
    return from >= 0 && halfMinute >= from && halfMinute < from + 5;
  };
  for (let halfMinute = 0; halfMinute < 20; halfMinute++) {
    state.nodes = names.map((name) =>
      viewOf(name, isAway(name, halfMinute) ? { health: "failed" } : {}),
    );
    state.told = holders.filter((name) => !isAway(name, halfMinute));
    await clock.advance(MINUTE_MS / 2);
  }
  t.same(calls, []);
  await end();
});

t.test("a cluster that comes up one by one moves nothing", async (t) => {
  const { clock, state, calls, end } = cluster({
    nodes: [viewOf("a"), viewOf("c")],
    told: ["a"],
    recorded: [recordedOf("a"), recordedOf("b")],
  });
  await clock.advance(3 * MINUTE_MS);
  state.nodes = [viewOf("a"), viewOf("b"), viewOf("c")];
  await clock.advance(MINUTE_MS);
  t.same(calls, [], "what b holds is not told yet, but recorded");
  state.told = ["a", "b"];
  await clock.advance(10 * MINUTE_MS);
  t.same(calls, []);
  await end();
});

t.test("what the cluster has placed may go again", async (t) => {
  const { clock, calls, end } = cluster({
    nodes: [viewOf("a"), viewOf("b"), viewOf("c")],
    told: ["a", "b", "c"],
    recorded: [recordedOf("a"), recordedOf("b"), recordedOf("c", true)],
  });
  await clock.advance(15_000);
  t.same(calls, ["remove c 7"]);
  await end();
});

t.test("without a database nothing is placed, and that is told once", async (t) => {
  const { clock, state, calls, log, end } = cluster({
    nodes: [viewOf("a"), viewOf("b")],
    told: ["a"],
  });
  state.failure = new Error("the database does not answer");
  await clock.advance(MINUTE_MS);
  t.same(calls, []);
  t.equal(log.lines.length, 1);
  state.failure = undefined;
  await clock.advance(5_000);
  t.same(calls, ["copy b 7"]);
  await end();
});
