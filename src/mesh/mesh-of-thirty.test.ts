import t from "tap";
import { openMesh, seen } from "../../test/fixtures/meshes.ts";
import { tempFolder } from "../../test/fixtures/temp-folder.ts";

const COUNT = 30;
// Thirty nodes share this process, and each sends to each: minutes on a busy machine of two cores.
t.setTimeout(600_000);

t.test("thirty nodes behind one address deliver every heartbeat to everyone", async (t) => {
  const dir = tempFolder(t);
  const first = await openMesh(dir);
  const bootstrapPeers = first.mesh.multiaddrs();
  const others = await Promise.all(
    Array.from({ length: COUNT - 1 }, () => openMesh(dir, { bootstrapPeers })),
  );
  const meshes = [first, ...others];
  t.teardown(() => Promise.all(meshes.map(({ mesh }) => mesh[Symbol.asyncDispose]())));
  // A mark that each sets once all are up: it can only have come with a heartbeat.
  for (const [i, node] of meshes.entries())
    node.report = { ...node.report, freeDiskBytes: 1_000 + i };
  await Promise.all(
    meshes.map((mesh) =>
      seen(mesh, (nodes) => new Set(nodes.map((node) => node.freeDiskBytes)).size === COUNT),
    ),
  );
  t.pass();
});
