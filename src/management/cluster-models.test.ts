import t from "tap";
import { digestOf, nodeOf, recordOf } from "../../test/fixtures/fake-cluster.ts";
import { MemoryPeers } from "../../test/fixtures/peer-streams.ts";
import { recordingLog } from "../../test/fixtures/recording-log.ts";
import { systemClock } from "../core/clock.ts";
import type { Distribution, RegistryRequest } from "../core/distribution.ts";
import type { NodeDrain } from "../core/drain.ts";
import {
  type CreateRequest,
  ManagementError,
  type ModelKeeper,
  type Progress,
} from "../core/management.ts";
import { formatFullName, type ModelName, parseModelName, sameName } from "../core/model-name.ts";
import type { NodeId } from "../core/node-id.ts";
import type { NodeView } from "../core/node-view.ts";
import { ClusterModels } from "./cluster-models.ts";
import { serveManagement } from "./serve-management.ts";

const o = { signal: new AbortController().signal, local: false };

function nameOf(text: string): ModelName {
  const name = parseModelName(text);
  if (!name) throw new Error(`no name: ${text}`);
  return name;
}

/** All names are of one model, but for those that are said to be older. */
const MANIFEST = digestOf("one");
const TINY = nameOf("tiny");
const BARE = { files: {}, adapters: {}, licenses: [], parameters: {}, messages: [] };

const drain: NodeDrain = {
  state: () => ({ draining: false, running: 0 }),
  begin: async () => {},
  end: async () => {},
};

/** A store of names alone, and a registry that has every name but `none`. */
class Names implements ModelKeeper, Distribution {
  names: ModelName[];
  failure: Error | undefined;
  readonly created: CreateRequest[] = [];
  readonly pushed: RegistryRequest[] = [];

  constructor(names: readonly string[]) {
    this.names = names.map(nameOf);
  }

  async has(name: ModelName): Promise<boolean> {
    return this.names.some((known) => sameName(known, name));
  }

  async copy(source: ModelName, destination: ModelName): Promise<boolean> {
    if (this.failure) throw this.failure;
    const found = await this.has(source);
    if (found && !(await this.has(destination))) this.names.push(destination);
    return found;
  }

  async remove(name: ModelName): Promise<boolean> {
    if (this.failure) throw this.failure;
    const found = await this.has(name);
    this.names = this.names.filter((known) => !sameName(known, name));
    return found;
  }

  async *create(request: CreateRequest): AsyncIterable<Progress> {
    this.created.push(request);
    yield { status: "using existing layer sha256:0" };
    if (this.failure) throw this.failure;
    this.names.push(request.name);
    yield { status: "success", digest: MANIFEST };
  }

  async *pull({ name }: RegistryRequest): AsyncIterable<Progress> {
    yield { status: "pulling manifest" };
    if (name.model === "none") {
      throw new ManagementError("NODES_FAILED", "pull model manifest: file does not exist");
    }
    if (!(await this.has(name))) this.names.push(name);
    // Pulls write it as clients see digests, unlike creates.
    yield { status: "success", digest: `sha256:${MANIFEST}` };
  }

  async *push(request: RegistryRequest): AsyncIterable<Progress> {
    this.pushed.push(request);
    yield { status: "retrieving manifest" };
    yield { status: "success" };
  }
}

/** Nodes with these names of models; the first one is asked. */
function cluster(
  models: Readonly<Record<string, readonly string[]>>,
  away: readonly string[] = [],
  older: readonly string[] = [],
  recorded: readonly NodeId[] = [],
) {
  const peers = new MemoryPeers();
  const log = recordingLog();
  const keepers = new Map<string, Names>();
  const nodes: NodeView[] = [];
  for (const [id, names] of Object.entries(models)) {
    const keeper = new Names(names);
    keepers.set(id, keeper);
    const health = away.includes(id) ? "failed" : "alive";
    nodes.push(nodeOf({ id: id as NodeId, name: `node-${id}`, self: nodes.length === 0, health }));
    const streams = peers.node(id as NodeId);
    if (health === "alive")
      serveManagement({
        ...{ streams, keeper, distribution: keeper, drain, log },
        transfers: () => [],
      });
  }
  const [self] = nodes;
  if (!self) throw new Error("a cluster has a node");
  const index = {
    replicas: () =>
      [...keepers].flatMap(([id, { names }]) =>
        names.map((name) => ({
          record: {
            ...recordOf(formatFullName(name)),
            manifest: older.includes(`${id} ${name.model}`) ? digestOf("older") : MANIFEST,
          },
          holder: { node: id as NodeId, state: "ready" as const, ageMs: 0 },
        })),
      ),
  };
  const hidden = new Set<string>();
  const keeperOf = (id: string): Names => keepers.get(id) ?? new Names([]);
  const management = new ClusterModels({
    ...{ keeper: keeperOf(self.id), distribution: keeperOf(self.id) },
    ...{ replicas: index, clock: systemClock, log },
    later: { remove: async (_name, present) => recorded.filter((node) => !present.has(node)) },
    view: { self: () => self, nodes: () => nodes.filter(({ id }) => !hidden.has(id)) },
    streams: peers.node(self.id),
  });
  const held = (): Record<string, string[]> =>
    Object.fromEntries(
      [...keepers].map(([id, { names }]) => [id, names.map(({ model }) => model)]),
    );
  const hide = (id: string): void => void hidden.add(id);
  return { management, keeperOf, held, peers, hide };
}

async function lines(progress: AsyncIterable<Progress>): Promise<string[]> {
  const all: string[] = [];
  for await (const { status } of progress) all.push(status);
  return all;
}

t.test("copy: every holder, and an older destination elsewhere goes", async (t) => {
  const { management, held } = cluster({ a: [], b: ["tiny"], c: ["tiny", "x"], d: ["x"] });
  t.same(await management.copy(TINY, nameOf("x"), o), { found: true, missed: [] });
  t.same(held(), { a: [], b: ["tiny", "x"], c: ["tiny", "x"], d: [] });
  t.same(await management.copy(nameOf("none"), nameOf("y"), o), { found: false, missed: [] });
});

t.test("a new name is spelled as the cluster has it already", async (t) => {
  const { management, held } = cluster({ a: [], b: ["tiny", "FooBar"], c: ["FooBar"] });
  await management.copy(TINY, nameOf("foobar"), o);
  t.same(held(), { a: [], b: ["tiny", "FooBar"], c: [] });
  await lines(management.create({ ...BARE, name: nameOf("FOOBAR"), files: { x: "sha256:0" } }, o));
  t.match(held(), { a: ["FooBar"] });
});

t.test("delete: every holder; one that is away is told of", async (t) => {
  const { management, held } = cluster({ a: ["TINY"], b: ["tiny", "y"], c: ["tiny"] }, ["c"]);
  const seen = management.remove(TINY, { ...o, local: true });
  t.same(await seen, { found: true, missed: [] });
  t.same(held(), { a: [], b: ["tiny", "y"], c: ["tiny"] });
  t.same(await management.remove(TINY, o), { found: true, missed: ["node-c"] });
  t.same(held(), { a: [], b: ["y"], c: ["tiny"] });
  await t.rejects(management.remove(TINY, o), {
    code: "NODES_FAILED",
    message: "only nodes that are away have registry.ollama.ai/library/tiny:latest: node-c",
  });
  t.same(await management.remove(TINY, { ...o, local: true }), { found: false, missed: [] });
});

t.test("copy: also on whoever has announced the model and not yet itself", async (t) => {
  const { management, held, hide } = cluster({ a: [], b: ["tiny"] });
  hide("b");
  t.same(await management.copy(TINY, nameOf("x"), o), { found: true, missed: [] });
  t.same(held(), { a: [], b: ["tiny", "x"] });
});

t.test("delete: whoever is away on record will do it later", async (t) => {
  const gone = "z" as NodeId;
  const { management } = cluster({ a: [], b: ["tiny"] }, [], [], [gone, "b" as NodeId]);
  t.same(await management.remove(TINY, o), { found: true, missed: [gone] });
  t.same(await management.remove(TINY, o), { found: true, missed: [gone] }, "b is there");
});

t.test("a holder that fails is named, and the others are done all the same", async (t) => {
  const { management, keeperOf, held, peers } = cluster({ a: [], b: ["tiny"], c: ["tiny"] });
  keeperOf("b").failure = new ManagementError("DISK_FULL", "no space is left");
  await t.rejects(management.remove(TINY, o), {
    code: "NODES_FAILED",
    message: "tiny:latest was deleted on 1 of 3 nodes: node-b: no space is left",
  });
  t.same(held(), { a: [], b: ["tiny"], c: [] });
  peers.kill("b" as NodeId);
  await t.rejects(management.copy(TINY, nameOf("x"), o), { code: "NODES_FAILED" });
  t.equal(peers.open, 0, "no exchange is left open");
});

t.test("create: here, or where the model is that it is made from", async (t) => {
  const { management, keeperOf, held } = cluster(
    { a: [], b: ["tiny"], c: ["made"] },
    [],
    ["c made"],
  );
  const request = {
    ...BARE,
    name: nameOf("made"),
    from: TINY,
    system: "A",
    parameters: { seed: -1 },
  };
  t.same(await lines(management.create(request, o)), ["using existing layer sha256:0", "success"]);
  t.same(keeperOf("b").created, [request], "with everything that it was asked");
  t.same(held(), { a: [], b: ["tiny", "made"], c: [] }, "the older one goes");
  const files = { "x.gguf": "sha256:0" };
  await lines(management.create({ ...BARE, name: nameOf("own"), files }, o));
  t.same(held()["a"], ["own"]);
  const mixed = management.create({ ...request, adapters: files }, o);
  await t.rejects(lines(mixed), { code: "NOT_POSSIBLE", message: /node-b$/ });
  keeperOf("b").failure = new ManagementError("QUANTIZATION_INVALID", "only F16");
  await t.rejects(lines(management.create({ ...request, name: nameOf("z") }, o)), {
    code: "QUANTIZATION_INVALID",
    message: "only F16",
  });
  await lines(management.create(request, { ...o, local: true }));
  t.equal(keeperOf("a").created.length, 2, "told to stay here, it pulls and makes it here");
});

t.test("pull: where the name is already, else here; its other holders keep it", async (t) => {
  const { management, held } = cluster({ a: [], b: ["tiny"], c: ["tiny"], d: ["x"] }, ["d"]);
  const pulled = ["pulling manifest", "success"];
  t.same(await lines(management.pull({ name: TINY, insecure: false }, o)), pulled);
  t.same(held(), { a: [], b: ["tiny"], c: ["tiny"], d: ["x"] }, "the same model stays where it is");
  t.same(await lines(management.pull({ name: nameOf("new"), insecure: true }, o)), pulled);
  t.same(held()["a"], ["new"]);
  t.same(await lines(management.pull({ name: nameOf("x"), insecure: false }, o)), pulled);
  t.same(held()["a"], ["new", "x"], "whoever has it is away");
  const here = management.pull({ name: TINY, insecure: false }, { ...o, local: true });
  t.same(await lines(here), pulled);
  t.same(held()["a"], ["new", "x", "tiny"]);
});

t.test("push: from here, or from a holder", async (t) => {
  const { management, keeperOf } = cluster({ a: ["own"], b: ["tiny"] });
  const request = { name: TINY, insecure: true };
  t.same(await lines(management.push(request, o)), ["retrieving manifest", "success"]);
  t.same(keeperOf("b").pushed, [request]);
  await lines(management.push({ name: nameOf("own"), insecure: false }, o));
  await lines(management.push(request, { ...o, local: true }));
  t.equal(keeperOf("a").pushed.length, 2);
});

t.test("create pulls what it is made from when nobody has it", async (t) => {
  const { management, keeperOf, held } = cluster({ a: [], b: [] });
  const request = { ...BARE, name: nameOf("made"), from: nameOf("base") };
  const all = ["pulling manifest", "using existing layer sha256:0", "success"];
  t.same(await lines(management.create(request, o)), all);
  t.same(held(), { a: ["base", "made"], b: [] });
  t.same(keeperOf("a").created, [request]);
  await t.rejects(lines(management.create({ ...request, from: nameOf("none") }, o)), {
    message: "pull model manifest: file does not exist",
  });
});

t.test("what is no request is refused, and nothing is done", async (t) => {
  const { peers, held } = cluster({ a: [], b: ["tiny"] });
  const path = { host: "h", namespace: "n", model: "..", tag: "t" };
  for (const request of [
    "{",
    "null",
    '{"call":"format"}',
    JSON.stringify({ call: "remove", name: path }),
    JSON.stringify({ call: "remove", name: { ...TINY, tag: "../latest" } }),
    JSON.stringify({ call: "copy", source: TINY }),
    JSON.stringify({ call: "create", request: { name: TINY } }),
    JSON.stringify({ call: "pull", request: { name: path, insecure: true } }),
  ]) {
    await using stream = await peers.node("z" as NodeId).open("b" as NodeId, "manage", o);
    await stream.end(o, Buffer.from(request));
    const reply = await stream.receive(o);
    t.match(JSON.parse(Buffer.from(reply ?? []).toString()), { reply: "error" }, request);
  }
  t.same(held(), { a: [], b: ["tiny"] });
});
