import t from "tap";
import { clusterKeyId, formatClusterKey, newClusterKey, parseClusterKey } from "./cluster-key.ts";

t.test("keys survive their text form", async (t) => {
  const key = newClusterKey();
  t.equal(key.length, 32);
  t.same(Buffer.from(parseClusterKey(formatClusterKey(key))), Buffer.from(key));
  t.not(clusterKeyId(key), clusterKeyId(newClusterKey()));
});

t.test("ids are the same on every node and version", async (t) => {
  t.equal(clusterKeyId(Buffer.alloc(32)), "b48f2c4cf74595d2");
});

t.test("what is no key", async (t) => {
  const valid = formatClusterKey(newClusterKey());
  for (const text of [
    "",
    "short",
    `${valid}A`,
    `${valid.slice(0, -1)}!`,
    `${valid}=`,
    ` ${valid}`,
  ]) {
    t.throws(() => parseClusterKey(text), { code: "CLUSTER_KEY_INVALID" }, JSON.stringify(text));
  }
});
