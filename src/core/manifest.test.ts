import fc from "fast-check";
import t from "tap";
import { manifestDigestOf, parseBlobDigest } from "./digest.ts";
import { ManagementError } from "./management.ts";
import { blobsOf, formatManifest, parseManifest, totalBytes } from "./manifest.ts";

const A = "a".repeat(64);
const CONFIG = "application/vnd.docker.container.image.v1+json";
const layer = { mediaType: "application/vnd.ollama.image.model", digest: `sha256:${A}`, size: 5 };
const config = { mediaType: CONFIG, digest: `sha256:${"b".repeat(64)}`, size: 7 };
const good = {
  schemaVersion: 2,
  mediaType: "application/vnd.docker.distribution.manifest.v2+json",
  config,
  layers: [layer],
};
const bytes = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));

t.test("a manifest of Ollama's", (t) => {
  const layers = [
    { ...layer, from: "/path/of/a/file" },
    { ...layer, mediaType: "application/vnd.ollama.image.license" },
    { ...layer, mediaType: "application/vnd.example.new+thing" },
  ];
  const text = bytes({ ...good, layers, extra: { of: "tomorrow" } });
  const manifest = parseManifest(text);
  t.equal(manifest.digest, manifestDigestOf(text));
  t.same(
    manifest.layers.map(({ kind }) => kind),
    ["model", "license", "application/vnd.example.new+thing"],
  );
  t.equal(manifest.layers[0]?.from, "/path/of/a/file");
  t.equal(totalBytes(manifest), 22);
  t.equal(blobsOf(manifest).length, 2, "each blob once");
  t.end();
});

t.test("OCI's may leave its own media type out", (t) => {
  const { mediaType } = parseManifest(bytes({ ...good, mediaType: undefined }));
  t.equal(mediaType, "application/vnd.oci.image.manifest.v1+json");
  t.equal(parseManifest(bytes(good)).mediaType, good.mediaType);
  t.end();
});

t.test("one that is made here reads back, and ends with a newline", (t) => {
  const digest = parseBlobDigest(A);
  if (!digest) throw new Error("fixture");
  const made = formatManifest({
    config: { digest, sizeBytes: 7 },
    layers: [{ kind: "model", digest, sizeBytes: 5, from: "x:latest" }],
  });
  t.equal(made.at(-1), 10);
  t.match(parseManifest(made), {
    config: { sizeBytes: 7 },
    layers: [{ kind: "model", from: "x:latest" }],
  });
  t.end();
});

const HOSTILE: readonly [what: string, value: unknown][] = [
  ["a text", "text"],
  ["null", null],
  ["a list", []],
  ["another schema", { ...good, schemaVersion: 1 }],
  ["another media type", { ...good, mediaType: "text/html" }],
  ["no config", { ...good, config: undefined }],
  ["no layers", { ...good, layers: [] }],
  ["layers that are none", { ...good, layers: "model" }],
  ["a layer of null", { ...good, layers: [null] }],
  ["too many layers", { ...good, layers: Array(10_001).fill(layer) }],
  ...[
    "../../../etc/passwd",
    "sha256:%2e%2e%2fpasswd",
    `sha256:../${A}`,
    `sha256:${A}x`,
    A,
    `sha512:${A}`,
    "",
    7,
  ].map((digest): [string, unknown] => [
    `digest ${digest}`,
    { ...good, layers: [{ ...layer, digest }] },
  ]),
  ...[-1, 0.5, 1e300, 2 ** 53, "5", null].map((size): [string, unknown] => [
    `size ${size}`,
    { ...good, config: { ...config, size } },
  ]),
  ...["", "model", "../x", "a/b/c", "x".repeat(5_000), 1].map((mediaType): [string, unknown] => [
    "a media type that is none",
    { ...good, layers: [{ ...layer, mediaType }] },
  ]),
];

t.test("hostile manifests are refused with what is wrong", (t) => {
  for (const [what, value] of HOSTILE) {
    t.throws(() => parseManifest(bytes(value)), { code: "MANIFEST_INVALID" }, what);
  }
  t.throws(
    () => parseManifest(Buffer.alloc(5_000_000, " ")),
    { code: "MANIFEST_INVALID" },
    "large",
  );
  t.throws(() => parseManifest(Buffer.from("{")), { code: "MANIFEST_INVALID" }, "half");
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), fc.uint8Array({ maxLength: 100 }), (json, noise) => {
      for (const input of [bytes(json), bytes({ ...good, layers: json }), noise]) {
        try {
          parseManifest(input);
        } catch (error) {
          if (!(error instanceof ManagementError)) throw error;
        }
      }
    }),
  );
  t.end();
});
