import { createSocket } from "node:dgram";
import t from "tap";
import { openMesh, seen } from "../../test/fixtures/meshes.ts";
import { tempFolder } from "../../test/fixtures/temp-folder.ts";

const MDNS_GROUP = "224.0.0.251";
const ANSWER_MS = 2_000;

/** Whether a multicast datagram comes back to this machine. */
async function hasMulticast(): Promise<boolean> {
  const socket = createSocket({ type: "udp4", reuseAddr: true });
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), ANSWER_MS);
  socket.on("error", () => resolve(false));
  socket.on("message", () => resolve(true));
  socket.bind(0, () => {
    try {
      socket.addMembership(MDNS_GROUP);
      socket.setMulticastLoopback(true);
      socket.send("anybody?", socket.address().port, MDNS_GROUP);
    } catch {
      resolve(false);
    }
  });
  const answered = await promise;
  clearTimeout(timer);
  socket.close();
  return answered;
}

const skip = (await hasMulticast()) ? false : "no multicast on this machine";

t.test("nodes on one network find each other without being told", { skip }, async (t) => {
  const dir = tempFolder(t);
  const a = await openMesh(dir, { mdns: true, listenHost: "0.0.0.0" });
  t.teardown(() => a.mesh[Symbol.asyncDispose]());
  const b = await openMesh(dir, { mdns: true, listenHost: "0.0.0.0" });
  t.teardown(() => b.mesh[Symbol.asyncDispose]());
  await seen(a, (nodes) => nodes.some(({ id, name }) => id === b.identity.nodeId && name !== ""));
  t.pass();
});
