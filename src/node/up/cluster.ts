import type { Clock } from "../../core/clock.ts";
import type { Random } from "../../core/random.ts";
import type { Config } from "../config/config.ts";
import { takeDataDir } from "../data-dir.ts";
import { awaitCluster } from "./await-cluster.ts";
import { Daemon } from "./daemon.ts";
import { openDatabase } from "./database.ts";
import { importDemo } from "./demo-model.ts";
import { planNodes } from "./plan.ts";
import { checkPorts } from "./ports-free.ts";

const READY_MS = 60_000;

export interface ClusterDeps {
  readonly clock: Clock;
  readonly random: Random;
  /** Aborted when the user wants to stop; a start that is under way is given up. */
  readonly signal: AbortSignal;
  /** A line for each step that is done, and for everything that happens to a daemon later. */
  readonly tell: (text: string) => void;
}

export interface Cluster extends AsyncDisposable {
  readonly daemons: readonly Daemon[];
  /** False: whoever calls the nodes needs a key. */
  readonly isOpen: boolean;
}

/** Starts Postgres (unless the user named one), imports the demo model and starts the daemons; disposal stops them all. */
export async function startCluster(
  config: Config,
  env: NodeJS.ProcessEnv,
  count: number,
  deps: ClusterDeps,
): Promise<Cluster> {
  await using stack = new AsyncDisposableStack();
  // First: a second `up` on this folder must not take the first one's Postgres for a left-over.
  stack.use(await takeDataDir(config.OLLAMA_DATA_DIR));
  await checkPorts(config, env, count);

  const database = await step(deps, "registry: Postgres is up, its schema is current", () =>
    openDatabase(config, stack, deps),
  );
  const plans = planNodes(config, env, count, database);
  const models = await step(deps, "models: the demo model tiny-chat is in place", () =>
    importDemo(plans, deps),
  );
  const daemons = await step(deps, `nodes: ${count} running`, () =>
    openDaemons(plans, stack, deps),
  );
  // Where keys are required the nodes tell nobody who has none.
  const isOpen = config.OLLAMA_AUTH_MODE === "off";
  if (isOpen) await awaitMesh(daemons, models, deps);
  const opened = stack.move();
  return { daemons, isOpen, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

async function awaitMesh(
  daemons: readonly Daemon[],
  models: readonly string[],
  deps: ClusterDeps,
): Promise<void> {
  await step(deps, "mesh: every node sees every other and can serve every model", () => {
    const signal = AbortSignal.any([deps.signal, AbortSignal.timeout(READY_MS)]);
    const wanted = { nodeCount: daemons.length, models };
    const waits = daemons.map(({ address }) =>
      awaitCluster(address.apiUrl, wanted, { clock: deps.clock, signal }),
    );
    return Promise.all(waits);
  });
}

async function openDaemons(
  plans: ReturnType<typeof planNodes>,
  stack: AsyncDisposableStack,
  deps: ClusterDeps,
): Promise<readonly Daemon[]> {
  const daemons: Daemon[] = [];
  // However this process ends, unless it is killed, it leaves no daemon behind.
  const killAll = (): void => {
    for (const daemon of daemons) daemon.kill();
  };
  process.on("exit", killAll);
  stack.defer(() => void process.off("exit", killAll));
  // One entry for all, so that they drain side by side and not one after the other.
  stack.defer(async () => {
    await Promise.all(daemons.map((daemon) => daemon[Symbol.asyncDispose]()));
  });
  const results = await Promise.allSettled(
    plans.map(async (plan) => {
      daemons.push(await Daemon.open(plan, deps, deps));
    }),
  );
  const failed = results.find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
  return daemons.toSorted((a, b) => plans.indexOf(a.plan) - plans.indexOf(b.plan));
}

async function step<T>(deps: ClusterDeps, done: string, action: () => Promise<T>): Promise<T> {
  deps.signal.throwIfAborted();
  const startedMs = deps.clock.nowMs();
  const result = await action();
  deps.tell(`${done} (${((deps.clock.nowMs() - startedMs) / 1_000).toFixed(1)} s)`);
  return result;
}
