import { readdirSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { openLargeModel, readyNames, readyOn, SLOW, untilSent } from "../fixtures/bad-days.ts";
import { TestCluster, until, untilText } from "../fixtures/cluster.ts";
import { type Lie, LyingPeer } from "../fixtures/lying-peer.ts";

// They spend their time waiting for copies that are held back.
t.jobs = 2;

const THREE = { ...SLOW, OLLAMA_REPLICAS: "3" };
const BAD_PEERS = "ollamamax_replication_bad_peers_total";

const LIES: readonly { readonly lie: Lie; readonly offence: string | undefined }[] = [
  { lie: "too many bytes", offence: "protocol" },
  { lie: "wrong bytes", offence: "wrong_bytes" },
  { lie: "nothing more", offence: undefined },
];

for (const { lie, offence } of LIES) {
  t.test(
    `a peer that sends ${lie}: the other holder makes up for it`,
    { buffered: true },
    async (t) => {
      const { cluster, isWholeOn } = await openLargeModel(t, "a", "liar");
      const a = await cluster.start("a", THREE).ready();
      const liar = await LyingPeer.join(
        cluster,
        { name: "a", apiUrl: a.apiUrl },
        { name: "liar", lie },
      );
      t.teardown(() => liar[Symbol.dispose]());
      await until(`${a.apiUrl}/api/cluster/replicas`, readyOn("a", "liar"));
      const b = await cluster.start("b", THREE).ready();
      await until(`${b.apiUrl}/api/cluster/replicas`, readyOn("a", "b", "liar"));
      t.ok(isWholeOn("b"));
      const text = await untilText(b.metricsUrl, (text) => text.includes(BAD_PEERS));
      const reports = text.match(/^ollamamax_replication_bad_peers_total\{.*$/gm) ?? [];
      if (offence === undefined) {
        t.same(reports, [], "slow is not bad");
        return;
      }
      // Once for each blob in which it was found out.
      t.equal(reports.length, 1);
      t.ok(reports[0]?.startsWith(`${BAD_PEERS}{offence="${offence}"} `), `${reports[0]}`);
      const { changes } = await until(
        `${b.apiUrl}/api/cluster/audit?operation=BAD_PEER`,
        (body) => (body["changes"] as unknown[]).length > 0,
      );
      for (const change of changes as unknown[]) {
        t.match(change, { after: { node: liar.nodeId, reporter: b.nodeId, offence } });
      }
    },
  );
}

t.test("a source that freezes in the middle is not waited for", { buffered: true }, async (t) => {
  const { cluster, isWholeOn } = await openLargeModel(t, "a", "b");
  const slow = { ...THREE, OLLAMA_TRANSFER_RATE: "4" };
  const frozen = cluster.start("a", slow);
  const a = await frozen.ready();
  const b = await cluster.start("b", slow).ready();
  const c = await cluster.start("c", slow).ready();
  for (const source of [a, b]) await untilSent(source, 1);
  frozen.child.kill("SIGSTOP");
  await until(`${c.apiUrl}/api/cluster/replicas`, (body) => readyNames(body).includes("c"));
  t.ok(isWholeOn("c"));
  frozen.child.kill("SIGCONT");
  await until(`${c.apiUrl}/api/cluster/replicas`, readyOn("a", "b", "c"));
  const text = await untilText(c.metricsUrl, (text) => text.includes(BAD_PEERS));
  t.notMatch(text, /ollamamax_replication_bad_peers_total\{/, "slow is not bad");
});

const HOSTILE = [
  "sha256:../../../../../escaped",
  "sha256:%2e%2e%2f%2e%2e%2f%2e%2e%2fescaped",
  `sha256:${"a".repeat(32)}/../../../escaped`,
];

t.test(
  "a manifest that names a place outside the store writes nothing there",
  { buffered: true },
  async (t) => {
    const cluster = await TestCluster.open();
    t.teardown(() => cluster[Symbol.asyncDispose]());
    await cluster.importDemo("liar");
    const daemon = cluster.start("a", SLOW);
    const a = await daemon.ready();
    const blob = { mediaType: "application/vnd.ollama.image.model", size: 2 };
    const manifests = HOSTILE.map((digest) =>
      JSON.stringify({
        schemaVersion: 2,
        mediaType: "application/vnd.docker.distribution.manifest.v2+json",
        config: { ...blob, digest },
        layers: [{ ...blob, digest }],
      }),
    );
    const member = { name: "a", apiUrl: a.apiUrl };
    const liar = await LyingPeer.join(cluster, member, { name: "liar", lie: "none", manifests });
    t.teardown(() => liar[Symbol.dispose]());
    const { changes } = await until(
      `${a.apiUrl}/api/cluster/audit?operation=REFUSED`,
      (body) => (body["changes"] as unknown[]).length === HOSTILE.length,
    );
    t.match(
      changes,
      HOSTILE.map(() => ({ after: { node: a.nodeId, problem: /is no SHA-256 digest/ } })),
    );
    // The same peer's honest model comes all the same.
    await until(`${a.apiUrl}/api/cluster/replicas`, (body) => readyNames(body).includes("a"));
    const names = readdirSync(cluster.folder, { recursive: true }).map(String);
    t.same(
      names.filter((name) => name.includes("escaped") || name.includes("%2e")),
      [],
    );
    t.ok(names.length > 0 && !readdirSync(path.dirname(cluster.folder)).includes("escaped"));
  },
);
