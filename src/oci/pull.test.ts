import t from "tap";
import { OciRegistry, type RegistryOptions } from "../../test/fixtures/oci-registry.ts";
import { RegistryClient, requestOf, statuses } from "../../test/fixtures/registry-client.ts";
import { patternBytes, serveModel } from "../../test/fixtures/registry-model.ts";
import { parseBlobDigest } from "../core/digest.ts";
import { formatFullName } from "../core/model-name.ts";
import { PIECE_BYTES } from "../core/pieces.ts";

const MODEL = patternBytes(2.5 * PIECE_BYTES);

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
      const client = new RegistryClient();
      const lines = await client.pull(registry);
      t.same(statuses(lines), [
        "pulling manifest",
        ...digests.map((digest) => `pulling ${digest.slice(7, 19)}`),
        "verifying sha256 digest",
        "writing manifest",
        "success",
      ]);
      const { store } = client;
      t.same(store.manifests.get(formatFullName(requestOf(registry).name)), manifest);
      for (const [digest, bytes] of registry.blobs) {
        const kept = store.blobs.get(parseBlobDigest(digest) ?? store.put(Buffer.from("none")));
        t.ok(kept && Buffer.compare(kept, bytes) === 0, `${digest} came as it is`);
      }
      t.equal(store.reserved.size, 0);
      t.equal(store.open, 0);
    });
  }
});

t.test("each blob's lines begin with nothing, and end with all of it", async (t) => {
  const registry = await OciRegistry.open(t);
  const { digests } = serveModel(registry, "a/b:c", { model: MODEL, license: "" });
  const lines = await new RegistryClient().pull(registry);
  const [model = "", empty = ""] = digests;
  const ofModel = lines.filter(({ digest }) => digest === model);
  const status = `pulling ${model.slice(7, 19)}`;
  t.same(ofModel[0], { status, digest: model, total: MODEL.length }, "0 is left out");
  t.same(ofModel.at(-1), { status, digest: model, total: MODEL.length, completed: MODEL.length });
  const completed = ofModel.map((line) => line.completed ?? 0);
  t.same(
    completed,
    completed.toSorted((a, b) => a - b),
  );
  t.equal(new Set(completed).size, completed.length, "none twice");
  const [ofEmpty] = lines.filter(({ digest }) => digest === empty);
  t.same(ofEmpty, { status: `pulling ${empty.slice(7, 19)}`, digest: empty });
});

t.test("what is here already is one line, and no question", async (t) => {
  const registry = await OciRegistry.open(t);
  const { digests } = serveModel(registry, "a/b:c", { model: MODEL });
  const client = new RegistryClient();
  await client.pull(registry);
  const before = registry.calls.length;
  const lines = await client.pull(registry);
  t.equal(registry.calls.length - before, 1, "the manifest");
  t.equal(lines.length, 1 + digests.length + 3);
  t.equal(lines[1]?.completed, MODEL.length);
});

t.test("of an older model what nothing needs is removed, and that is said", async (t) => {
  const registry = await OciRegistry.open(t);
  serveModel(registry, "a/b:c", { model: MODEL, license: "old" });
  const client = new RegistryClient();
  await client.pull(registry);
  serveModel(registry, "a/b:c", { model: MODEL, license: "new" });
  const lines = await client.pull(registry);
  t.same(statuses(lines).slice(-3), ["writing manifest", "removing unused layers", "success"]);
});

t.test("success says the manifest's digest", async (t) => {
  const registry = await OciRegistry.open(t);
  const { manifest } = serveModel(registry, "a/b:c", { model: MODEL });
  const client = new RegistryClient();
  const lines = await client.pull(registry);
  t.equal(lines.at(-1)?.digest, `sha256:${client.store.put(manifest)}`);
});

t.test("what nobody here could run is refused before any of it comes", async (t) => {
  const registry = await OciRegistry.open(t);
  const client = new RegistryClient();
  for (const [kind, message] of [
    ["tensor", /^pull model manifest: it is made of safetensors, which cannot be run here/],
    ["license", /^pull model manifest: it has no GGUF file/],
  ] as const) {
    serveModel(registry, "a/b:c", { model: MODEL, kind });
    await t.rejects(client.pull(registry), { code: "REGISTRY_INVALID", message });
    t.equal(client.store.blobs.size, 0);
  }
});

t.test("a model of more parts than one comes by several questions at once", async (t) => {
  const registry = await OciRegistry.open(t);
  const model = patternBytes(60 * PIECE_BYTES + 7);
  serveModel(registry, "a/b:c", { model });
  const client = new RegistryClient();
  await client.pull(registry);
  const ranges = registry.ranges("cdn").filter((range) => !/=0-[0-9]{1,2}$/.test(range));
  t.same(
    ranges.toSorted(),
    [
      `bytes=0-${24 * PIECE_BYTES - 1}`,
      `bytes=${24 * PIECE_BYTES}-${48 * PIECE_BYTES - 1}`,
      `bytes=${48 * PIECE_BYTES}-${model.length - 1}`,
    ].toSorted(),
  );
});

t.test("plain HTTP only for who asks for it", async (t) => {
  const registry = await OciRegistry.open(t);
  const { distribution } = new RegistryClient();
  const { signal } = new AbortController();
  const request = { ...requestOf(registry), scheme: "http", insecure: false };
  for (const call of [
    distribution.pull(request, { signal }),
    distribution.push(request, { signal }),
  ]) {
    const first = call[Symbol.asyncIterator]().next();
    await t.rejects(first, { code: "INSECURE_PROTOCOL", message: "insecure protocol http" });
  }
  t.equal(registry.calls.length, 0);
  const tls = { ...requestOf(registry), insecure: false };
  const lines = distribution.pull(tls, { signal })[Symbol.asyncIterator]();
  await lines.next();
  await t.rejects(lines.next(), { code: "REGISTRY_UNREACHABLE" }, "HTTPS else");
});

t.test("so many at once, and no more", async (t) => {
  const registry = await OciRegistry.open(t);
  const client = new RegistryClient();
  const { signal } = new AbortController();
  const pull = () =>
    client.distribution.pull(requestOf(registry), { signal })[Symbol.asyncIterator]();
  const running = Array.from({ length: 32 }, pull);
  for (const lines of running)
    t.match(await lines.next(), { value: { status: "pulling manifest" } });
  await t.rejects(pull().next(), { code: "TRANSFERS_BUSY" });
  for (const lines of running) await lines.return?.();
  t.match(await pull().next(), { value: { status: "pulling manifest" } });
});
