import { TestCluster, until } from "../fixtures/cluster.ts";
import type { Ready, TestDaemon } from "../fixtures/daemon.ts";

/** Three running nodes: the first two hold the demo model, for the third it is remote. */
export interface RemoteModel extends AsyncDisposable {
  readonly holder: Ready;
  readonly remote: Ready;
  /** By their node ids. */
  readonly holders: ReadonlyMap<string, TestDaemon>;
}

export async function remoteModel(): Promise<RemoteModel> {
  await using stack = new AsyncDisposableStack();
  const cluster = stack.use(await TestCluster.open());
  await cluster.importDemo("a");
  await cluster.importDemo("b");
  const daemons = ["a", "b", "c"].map((name) => cluster.start(name));
  const [a, b, c] = await Promise.all(daemons.map((daemon) => daemon.ready()));
  if (!a || !b || !c) throw new Error("three were started");
  await until(
    `${c.apiUrl}/api/cluster/replicas`,
    (body) => (body["replicas"] as unknown[]).length === 2,
  );
  await until(`${c.apiUrl}/api/cluster/nodes`, ({ nodes }) =>
    (nodes as { health: string }[]).every(
      ({ health }, _, { length }) => health === "alive" && length === 3,
    ),
  );
  const holders = new Map([a, b].flatMap(({ nodeId }, at) => entry(nodeId, daemons[at])));
  const opened = stack.move();
  return {
    holder: a,
    remote: c,
    holders,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

function entry(id: string, daemon: TestDaemon | undefined): [string, TestDaemon][] {
  return daemon ? [[id, daemon]] : [];
}
