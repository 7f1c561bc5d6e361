import { generateKeyPairSync } from "node:crypto";
import t from "tap";
import { HastyClock } from "../../test/fixtures/hasty-clock.ts";
import { MemoryStore } from "../../test/fixtures/memory-store.ts";
import { OciRegistry, type RegistryOptions } from "../../test/fixtures/oci-registry.ts";
import { patternBytes, serveModel } from "../../test/fixtures/registry-model.ts";
import { seededRandom } from "../../test/fixtures/seeded-random.ts";
import { silentLog } from "../core/log.ts";
import type { Progress } from "../core/management.ts";
import { formatFullName, parseModelName } from "../core/model-name.ts";
import { PIECE_BYTES } from "../core/pieces.ts";
import { OciDistribution, userAgentOf } from "./oci-distribution.ts";

const MODEL = patternBytes(2.5 * PIECE_BYTES);

const { signal } = new AbortController();

function puller(store = new MemoryStore()) {
  const clock = new HastyClock((ms) => ms >= 30_000);
  const distribution = new OciDistribution({
    shelf: store,
    blobs: store,
    pieces: store,
    clock,
    random: seededRandom(1),
    log: silentLog,
    userAgent: userAgentOf("0.33.0", "1.2.3"),
    identity: generateKeyPairSync("ed25519").privateKey,
  });
  const requestOf = (registry: OciRegistry, name = "a/b:c") => {
    const parsed = parseModelName(`${registry.host}/${name}`);
    if (!parsed) throw new Error("fixture");
    return { name: parsed, insecure: true };
  };
  const pull = async (registry: OciRegistry, lines: Progress[] = []): Promise<Progress[]> => {
    for await (const line of distribution.pull(requestOf(registry), { signal })) lines.push(line);
    return lines;
  };
  return { store, clock, distribution, requestOf, pull };
}

/** Each status once, as often as it comes in a row. */
function statuses(lines: readonly Progress[]): string[] {
  return lines.map(({ status }) => status).filter((status, at, all) => status !== all[at - 1]);
}

const FLAVOURS: readonly [what: string, options: RegistryOptions][] = [
  ["Ollama's, with redirects", { flavour: "ollama" }],
  ["OCI's", { flavour: "oci" }],
  ["Ollama's, with a token of its own", { flavour: "ollama", realm: "own" }],
  ["OCI's, with a token from another host", { flavour: "oci", realm: "foreign" }],
];

t.test("a model from a registry", async (t) => {
  for (const [what, options] of FLAVOURS) {
    t.test(what, async (t) => {
      const registry = await OciRegistry.open(t, options);
      const { manifest, digests } = serveModel(registry, "a/b:c", { model: MODEL });
      const { store, pull, requestOf } = puller();
      const lines = await pull(registry);
      t.same(statuses(lines), [
        "pulling manifest",
        ...digests.map((digest) => `pulling ${digest.slice(7, 19)}`),
        "verifying sha256 digest",
        "writing manifest",
        "success",
      ]);
      t.same(store.manifests.get(formatFullName(requestOf(registry).name)), manifest);
      for (const [digest, bytes] of registry.blobs) {
        const kept = [...store.blobs].find(([hex]) => `sha256:${hex}` === digest)?.[1];
        t.ok(kept && Buffer.compare(kept, bytes) === 0, `${digest} came as it is`);
      }
      t.equal(store.reserved.size, 0);
      t.equal(store.open, 0);
    });
  }
});
