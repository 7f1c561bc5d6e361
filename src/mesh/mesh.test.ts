import { spawn } from "node:child_process";
import t, { type Test } from "tap";
import { CLUSTER_KEY } from "../../test/fixtures/libp2p-nodes.ts";
import { openMesh, seen, type TestMesh, until } from "../../test/fixtures/meshes.ts";
import { tempFolder } from "../../test/fixtures/temp-folder.ts";
import { parseManifestDigest } from "../core/digest.ts";
import type { ModelRecord } from "../core/model.ts";
import type { NodeHealth } from "../core/node-view.ts";
import { newClusterKey } from "./cluster-key.ts";

const o = { signal: new AbortController().signal };

async function openCluster(t: Test, count: number): Promise<TestMesh[]> {
  const dir = tempFolder(t);
  const first = await openMesh(dir);
  const bootstrapPeers = first.mesh.multiaddrs();
  const meshes = [first];
  while (meshes.length < count) meshes.push(await openMesh(dir, { bootstrapPeers }));
  t.teardown(() => Promise.all(meshes.map(({ mesh }) => mesh[Symbol.asyncDispose]())));
  await Promise.all(
    meshes.map((mesh) =>
      seen(
        mesh,
        (nodes) =>
          nodes.filter(({ health, name }) => health === "alive" && name !== "").length === count,
      ),
    ),
  );
  return meshes;
}

const sees = (mesh: TestMesh, other: TestMesh, health: NodeHealth) =>
  seen(mesh, (nodes) =>
    nodes.some((node) => node.id === other.identity.nodeId && node.health === health),
  );

function model(name: string, digit: string): ModelRecord {
  const manifest = parseManifestDigest(digit.repeat(64));
  if (!manifest) throw new Error("not a digest");
  const details = { parentModel: "", format: "gguf", family: "llama", families: ["llama"] };
  return {
    name: `registry.ollama.ai/library/${name}:latest`,
    manifest,
    sizeBytes: 1,
    modifiedAtMs: 1,
    details: { ...details, parameterSize: "1M", quantizationLevel: "Q8_0" },
    capabilities: ["completion"],
  };
}

t.test("nodes tell each other of themselves and of their replicas", async (t) => {
  const [a, b, c] = await openCluster(t, 3);
  if (!a || !b || !c) throw new Error("three nodes");
  a.report = { ...a.report, load: { running: 3, queued: 1, slots: 4 } };
  a.mesh.touch();
  await seen(c, (nodes) =>
    nodes.some(({ id, load }) => id === a.identity.nodeId && load.running === 3),
  );
  const record = model("tiny", "a");
  a.mesh.replicas.announce({ state: "ready", record });
  b.mesh.replicas.announce({ state: "syncing", record });
  await until(() => c.mesh.replicas.holders(record.manifest).length === 2);
  t.same(
    c.mesh.replicas
      .holders(record.manifest)
      .map(({ state }) => state)
      .sort(),
    ["ready", "syncing"],
  );
  t.match(c.mesh.replicas.models(), [{ record: { name: record.name } }]);
  a.mesh.replicas.announce({ state: "removed", name: record.name });
  await until(() => c.mesh.replicas.holders(record.manifest).length === 1);
});

t.test("a node that comes late fetches the lists that it missed", async (t) => {
  const [a] = await openCluster(t, 2);
  if (!a) throw new Error("a node");
  for (let i = 0; i < 40; i++)
    a.mesh.replicas.announce({ state: "ready", record: model(`m${i}`, "b") });
  const late = await openMesh(tempFolder(t), { bootstrapPeers: a.mesh.multiaddrs() });
  t.teardown(() => late.mesh[Symbol.asyncDispose]());
  await until(() => late.mesh.replicas.models().length === 40);
  t.pass();
});

t.test("one that leaves has left, one that dies has failed and may return", async (t) => {
  const [a, b, c] = await openCluster(t, 3);
  if (!a || !b || !c) throw new Error("three nodes");
  await c.mesh.leave(o);
  await Promise.all([sees(a, c, "left"), sees(b, c, "left")]);
  await c.mesh[Symbol.asyncDispose]();
  await b.mesh[Symbol.asyncDispose]();
  await sees(a, b, "failed");
  const again = await openMesh("", { ...b, bootstrapPeers: a.mesh.multiaddrs() });
  t.teardown(() => again.mesh[Symbol.asyncDispose]());
  await sees(a, again, "alive");
  t.ok(again.mesh.view.self().incarnation > 1n << 32n, "the boot counter has grown");
});

t.test("another cluster's key is told apart, and keys can be rotated", async (t) => {
  const [a] = await openCluster(t, 2);
  if (!a) throw new Error("a node");
  const key = newClusterKey();
  const mismatch = Promise.withResolvers<string>();
  const bootstrapPeers = a.mesh.multiaddrs();
  const stranger = await openMesh(tempFolder(t), {
    bootstrapPeers,
    clusterKeys: [key],
    onKeyMismatch: mismatch.resolve,
  });
  t.teardown(() => stranger.mesh[Symbol.asyncDispose]());
  t.match(await mismatch.promise, a.identity.nodeId);
  t.equal(stranger.mesh.keyMismatches().length, 1);
  a.mesh.setClusterKeys([key, CLUSTER_KEY]);
  await sees(a, stranger, "alive");
  t.same(stranger.mesh.keyMismatches(), []);
});

t.test("a denied node is out at once", async (t) => {
  const [a, b] = await openCluster(t, 2);
  if (!a || !b) throw new Error("two nodes");
  a.mesh.deny([b.identity.nodeId]);
  await sees(b, a, "failed");
  await t.rejects(b.mesh.streams.open(a.identity.nodeId, "inference", o), {
    code: "PEER_UNREACHABLE",
  });
  await t.rejects(a.mesh.streams.open(b.identity.nodeId, "inference", o), {
    code: "PEER_UNREACHABLE",
  });
});

t.test("a port that is taken is named", async (t) => {
  const [a] = await openCluster(t, 1);
  const p2pPort = Number(/tcp\/(\d+)/.exec(a?.mesh.multiaddrs()[0] ?? "")?.[1]);
  await t.rejects(openMesh(tempFolder(t), { p2pPort }), {
    code: "PORT_TAKEN",
    message: /OLLAMA_P2P_PORT/,
  });
});

t.test("the process ends by itself after disposal", async (t) => {
  const script = `
    import { openMesh, seen } from "./test/fixtures/meshes.ts";
    const a = await openMesh(${JSON.stringify(tempFolder(t))});
    const b = await openMesh(${JSON.stringify(tempFolder(t))}, { bootstrapPeers: a.mesh.multiaddrs() });
    await seen(a, (nodes) => nodes.length === 2);
    await a.mesh[Symbol.asyncDispose]();
    await b.mesh[Symbol.asyncDispose]();`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: "inherit",
  });
  const code = await new Promise((resolve) => child.on("exit", resolve));
  t.equal(code, 0);
});
