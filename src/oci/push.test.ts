import t from "tap";
import { type Fault, OciRegistry, type RegistryOptions } from "../../test/fixtures/oci-registry.ts";
import { RegistryClient, requestOf, statuses } from "../../test/fixtures/registry-client.ts";
import { at, status } from "../../test/fixtures/registry-faults.ts";
import { DOCKER_MANIFEST, patternBytes } from "../../test/fixtures/registry-model.ts";
import { formatFullName } from "../core/model-name.ts";

const MODEL = patternBytes(3_000_001);
const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";

/** The model `a/b:c` of that registry's, in the store. */
function clientWith(
  registry: Pick<OciRegistry, "host">,
  {
    model = MODEL,
    mediaType,
    from,
  }: { model?: Uint8Array; mediaType?: string; from?: string } = {},
) {
  const client = new RegistryClient();
  const layerOf = (kind: string, bytes: Uint8Array) => ({
    mediaType: `application/vnd.ollama.image.${kind}`,
    digest: `sha256:${client.store.put(bytes)}`,
    size: bytes.length,
  });
  const layers = [
    { ...layerOf("model", model), ...(from !== undefined && { from }) },
    layerOf("system", Buffer.from("")),
  ];
  const config = layerOf("config", Buffer.from("{}"));
  const parts = { schemaVersion: 2, mediaType: mediaType ?? DOCKER_MANIFEST, config, layers };
  const manifest = Buffer.from(`${JSON.stringify(parts)}\n`);
  client.store.manifests.set(formatFullName(requestOf(registry).name), manifest);
  return { client, manifest, digests: [...layers, config].map(({ digest }) => digest) };
}

const REGISTRIES: readonly [what: string, options: RegistryOptions][] = [
  ["Ollama's, which takes the parts elsewhere", { flavour: "ollama" }],
  ["Ollama's, with a token", { flavour: "ollama", realm: "own" }],
  ["OCI's, in chunks", { flavour: "oci" }],
  ["OCI's, with absolute locations", { flavour: "oci", absoluteLocations: true }],
  ["OCI's, whole blobs only", { flavour: "oci", uploads: "whole only" }],
  ["OCI's, with a token from another host", { flavour: "oci", realm: "foreign" }],
];

t.test("a model that is pushed can be pulled elsewhere", async (t) => {
  for (const [what, options] of REGISTRIES) {
    t.test(what, async (t) => {
      const registry = await OciRegistry.open(t, options);
      const { client, manifest, digests } = clientWith(registry);
      const lines = await client.push(registry);
      t.same(statuses(lines), [
        "retrieving manifest",
        ...digests.map((digest) => `pushing ${digest.slice(7, 19)}`),
        "pushing manifest",
        "success",
      ]);
      const model = lines.filter(({ digest }) => digest === digests[0]).at(-1);
      t.equal(model?.completed, MODEL.length);
      t.same(registry.manifests.get("a/b:c"), { type: DOCKER_MANIFEST, bytes: manifest });
      const other = new RegistryClient();
      await other.pull(registry);
      t.same(other.store.manifests, client.store.manifests);
      t.same([...other.store.blobs.keys()].sort(), [...client.store.blobs.keys()].sort());
      for (const { url, headers } of registry.calls) {
        if (url.host === registry.otherHost) t.equal(headers.authorization, undefined);
      }
    });
  }
});

t.test("a registry that answers before its last bytes are done with", async (t) => {
  const registry = await OciRegistry.open(t, { flavour: "ollama" });
  const { client, digests } = clientWith(registry);
  const done = Promise.withResolvers<void>();
  const read = client.store.read.bind(client.store);
  client.store.read = async function* (...asked: Parameters<typeof read>) {
    yield* read(...asked);
    await done.promise;
  };
  await client.push(registry);
  done.resolve();
  t.ok(
    digests.every((digest) => registry.blobs.has(digest)),
    "with the sums of what it has",
  );
});

t.test("a model of more parts than one", async (t) => {
  const model = patternBytes(100_000_003);
  for (const flavour of ["ollama", "oci"] as const) {
    const registry = await OciRegistry.open(t, { flavour });
    const { client } = clientWith(registry, { model });
    await client.push(registry);
    const place = flavour === "ollama" ? "storage" : "upload";
    const sent = registry.calls
      .filter((call) => call.place === place && Number(call.headers["content-length"]) > 0)
      .map(({ headers }) => headers["content-length"]);
    t.same(sent.slice(0, 2).sort(), ["100000000", "3"]);
  }
});

t.test("what the registry has is one line and one question", async (t) => {
  const registry = await OciRegistry.open(t);
  const { client, digests } = clientWith(registry);
  await client.push(registry);
  registry.calls.length = 0;
  const lines = await client.push(registry);
  t.equal(lines.length, 1 + digests.length + 2);
  t.same(
    registry.calls.map(({ method }) => method),
    ["HEAD", "HEAD", "HEAD", "PUT"],
  );
});

t.test("a layer of another model is taken from there", async (t) => {
  const registry = await OciRegistry.open(t);
  const { client, digests } = clientWith(registry, { from: "parent/model:tag" });
  registry.put(MODEL);
  registry.faults.push(at("blob", status(404), 1));
  await client.push(registry);
  const [begun] = registry.calls.filter(({ method }) => method === "POST");
  t.equal(begun?.url.searchParams.get("from"), "parent/model");
  t.equal(begun?.url.searchParams.get("mount"), digests[0]);
  t.equal(registry.calls.filter(({ place }) => place === "storage").length, 1, "the config alone");
});

t.test("a manifest goes with its media type", async (t) => {
  const registry = await OciRegistry.open(t, { flavour: "oci" });
  const { client } = clientWith(registry, { mediaType: OCI_MANIFEST });
  await client.push(registry);
  t.equal(registry.manifests.get("a/b:c")?.type, OCI_MANIFEST);
});

t.test("a model that is not here", async (t) => {
  const registry = await OciRegistry.open(t);
  const { signal } = new AbortController();
  const lines = new RegistryClient().distribution
    .push(requestOf(registry), { signal })
    [Symbol.asyncIterator]();
  t.same((await lines.next()).value, { status: "retrieving manifest" });
  t.same((await lines.next()).value, { status: "couldn't retrieve manifest" });
  await t.rejects(lines.next(), {
    code: "MODEL_NOT_FOUND",
    message: `model '${registry.host}/a/b:c' not found`,
  });
  t.equal(registry.calls.length, 0);
});

/** Hangs up on the first PATCH once so much has come; what has come before is kept, or not. */
function hangUp(sizeBytes: number, keeps: boolean): Fault {
  let isFirst = true;
  return ({ place, request, response }) => {
    if (!isFirst || place !== "upload" || request.method !== "PATCH") return false;
    isFirst = false;
    let leftBytes = sizeBytes;
    request.on("data", (chunk: Buffer) => {
      leftBytes -= chunk.length;
      if (leftBytes <= 0) request.destroy();
    });
    if (!keeps) response.writeContinue();
    return !keeps;
  };
}

const MENDED: readonly [what: string, options: RegistryOptions, make: () => Fault][] = [
  ["a storage that is ill", { flavour: "ollama" }, () => at("storage", status(500), 3)],
  [
    "a storage that hangs up",
    { flavour: "ollama" },
    () => at("storage", ({ request }) => request.destroy(), 2),
  ],
  ["a registry that is ill", { flavour: "oci" }, () => at("upload", status(503), 3)],
  [
    "a proxy that wants no announcement",
    { flavour: "oci" },
    () => (call) => call.request.headers.expect !== undefined && at("upload", status(417))(call),
  ],
  ["a registry that hangs up", { flavour: "oci" }, () => hangUp(1_000_000, false)],
];

t.test("an upload goes on after what passes", async (t) => {
  for (const [what, options, make] of MENDED) {
    t.test(what, async (t) => {
      const registry = await OciRegistry.open(t, options);
      const { client } = clientWith(registry);
      registry.faults.push(make());
      t.equal((await client.push(registry)).at(-1)?.status, "success");
      const other = new RegistryClient();
      t.equal((await other.pull(registry)).at(-1)?.status, "success");
    });
  }
});

t.test("a registry that kept what came gets the rest", async (t) => {
  const registry = await OciRegistry.open(t, { flavour: "oci" });
  const { client } = clientWith(registry);
  registry.faults.push(hangUp(1_000_000, true));
  t.equal((await client.push(registry)).at(-1)?.status, "success");
  const [first, second] = registry.calls.filter(({ method }) => method === "PATCH");
  t.equal(first?.headers["content-range"], `0-${MODEL.length - 1}`);
  t.match(second?.headers["content-range"], new RegExp(`^[1-9]\\d{5,}-${MODEL.length - 1}$`));
});

t.test("a registry that knows nothing of Expect gets the bytes all the same", async (t) => {
  const registry = await OciRegistry.open(t, { flavour: "oci" });
  const { client } = clientWith(registry);
  registry.faults.push(({ place, request, response }) => {
    if (place === "upload" && request.method === "PATCH") {
      response.writeContinue = () => {};
      setImmediate(() => client.clock.pass(1_000));
    }
    return false;
  });
  t.equal((await client.push(registry)).at(-1)?.status, "success");
});

const FATAL: readonly [what: string, make: () => Fault, code: string, message: RegExp | string][] =
  [
    ["no right to look", () => at("blob", status(403)), "REGISTRY_REFUSED", "403: "],
    [
      "no right to begin",
      () => at("upload", status(403, "denied")),
      "REGISTRY_REFUSED",
      "403: denied",
    ],
    [
      "no right at all",
      () => at("upload", status(401)),
      "REGISTRY_UNAUTHORIZED",
      "unauthorized: access denied",
    ],
    [
      "no place to go",
      () => at("upload", status(202)),
      "REGISTRY_INVALID",
      "the registry does not say where to upload to",
    ],
    [
      "a storage that never works",
      () => at("storage", status(500, "oops")),
      "TRANSFER_FAILED",
      "max retries exceeded: 500: oops",
    ],
    [
      "other bytes than ours",
      () => (call) =>
        call.request.method === "PUT" && at("upload", status(400, "DIGEST_INVALID"))(call),
      "REGISTRY_REFUSED",
      "400: DIGEST_INVALID",
    ],
    [
      "a manifest that is refused",
      () => at("manifest", status(400, "MANIFEST_INVALID")),
      "REGISTRY_REFUSED",
      "400: MANIFEST_INVALID",
    ],
  ];

t.test("what does not pass ends the push", async (t) => {
  for (const [what, make, code, message] of FATAL) {
    t.test(what, async (t) => {
      const registry = await OciRegistry.open(t);
      const { client } = clientWith(registry);
      registry.faults.push(make());
      await t.rejects(client.push(registry), { code, message });
      t.equal(registry.manifests.size, 0);
    });
  }
});

t.test("a push that is left ends what it sends", async (t) => {
  const registry = await OciRegistry.open(t);
  const { client } = clientWith(registry);
  const left = new AbortController();
  const closed = Promise.withResolvers<void>();
  registry.faults.push(
    at("storage", ({ request, response }) => {
      response.on("close", closed.resolve);
      request.resume();
      left.abort(new Error("gone"));
    }),
  );
  await t.rejects(client.push(registry, left.signal), { message: "gone" });
  await closed.promise;
});
