import t from "tap";
import { openMesh, seen } from "../../test/fixtures/meshes.ts";
import { tempFolder } from "../../test/fixtures/temp-folder.ts";

const COUNT = 30;
/** So many join at once: all together they would be so busy with handshakes that each times out, again and again. */
const JOINING_MAX = 4;
// Thirty nodes share this process, and each sends to each: minutes on a busy machine of two cores.
t.setTimeout(600_000);

t.test("thirty nodes behind one address deliver every heartbeat to everyone", async (t) => {
  const dir = tempFolder(t);
  const first = await openMesh(dir);
  const bootstrapPeers = first.mesh.multiaddrs();
  const meshes = [first];
  t.teardown(() => Promise.all(meshes.map(({ mesh }) => mesh[Symbol.asyncDispose]())));
  while (meshes.length < COUNT) {
    const joining = Math.min(JOINING_MAX, COUNT - meshes.length);
    meshes.push(
      ...(await Promise.all(
        Array.from({ length: joining }, () => openMesh(dir, { bootstrapPeers })),
      )),
    );
    await seen(first, (nodes) => nodes.length === meshes.length);
  }
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
