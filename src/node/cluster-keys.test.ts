import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { tempFolder } from "../../test/fixtures/temp-folder.ts";
import { resolveClusterKeys } from "./cluster-keys.ts";

const o = { signal: new AbortController().signal };
const registry = (...keys: string[]) => ({ clusterKeys: async () => keys });

t.test("the registry's keys win and are kept for a start without it", async (t) => {
  const dataDir = tempFolder(t);
  const options = { dataDir, configured: undefined };
  t.same(await resolveClusterKeys(options, registry("new", "old"), o), ["new", "old"]);
  t.same(await resolveClusterKeys(options, undefined, o), ["new", "old"]);
  const file = path.join(dataDir, "cluster-key");
  t.equal(readFileSync(file, "utf8"), "new\nold\n");
  t.equal(statSync(file).mode & 0o777, 0o600);
});

t.test(
  "a configured key serves without the registry and must be one of its keys with it",
  async (t) => {
    const options = { dataDir: tempFolder(t), configured: "mine" };
    t.same(await resolveClusterKeys(options, undefined, o), ["mine"]);
    t.same(await resolveClusterKeys(options, registry("new", "mine"), o), ["new", "mine"]);
    await t.rejects(resolveClusterKeys(options, registry("other"), o), {
      code: "CLUSTER_KEY_MISMATCH",
    });
  },
);

t.test("neither: one sentence with the next step", async (t) => {
  const options = { dataDir: tempFolder(t), configured: undefined };
  await t.rejects(resolveClusterKeys(options, undefined, o), {
    code: "CLUSTER_KEY_MISSING",
    message: /OLLAMA_CLUSTER_KEY/,
  });
});
