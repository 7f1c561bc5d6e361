import { readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { generateKeyPair, privateKeyToProtobuf } from "@libp2p/crypto/keys";
import t from "tap";
import { tempFolder } from "../../test/fixtures/temp-folder.ts";
import { parseNodeId } from "../core/node-id.ts";
import { loadOrCreateIdentity } from "./identity.ts";

t.test("a node keeps its identity, in a file that only it can read", async (t) => {
  const folder = path.join(tempFolder(t), "data");
  const first = await loadOrCreateIdentity(folder);
  const second = await loadOrCreateIdentity(folder);
  t.ok(parseNodeId(first.nodeId));
  t.equal(second.nodeId, first.nodeId);
  t.equal(statSync(path.join(folder, "identity.key")).mode & 0o777, 0o600);
});

t.test("a file that is no identity is refused with the next step, and left as it is", async (t) => {
  const secp256k1 = privateKeyToProtobuf(await generateKeyPair("secp256k1"));
  const cases = {
    empty: Buffer.alloc(0),
    garbage: Buffer.from("not a key"),
    long: Buffer.alloc(5_000),
    "another type": secp256k1,
  };
  for (const [name, bytes] of Object.entries(cases)) {
    const folder = tempFolder(t);
    const file = path.join(folder, "identity.key");
    writeFileSync(file, bytes);
    await t.rejects(
      loadOrCreateIdentity(folder),
      { code: "IDENTITY_UNREADABLE", message: /restore it from a backup/ },
      name,
    );
    t.same(readFileSync(file), Buffer.from(bytes), name);
  }
});

t.test("a folder that cannot be written", async (t) => {
  const folder = tempFolder(t, { file: "" });
  await t.rejects(loadOrCreateIdentity(path.join(folder, "file")), {
    code: "IDENTITY_UNREADABLE",
  });
});
