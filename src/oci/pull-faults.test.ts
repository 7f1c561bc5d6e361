import t from "tap";
import { type Fault, OciRegistry, type RegistryOptions } from "../../test/fixtures/oci-registry.ts";
import { RegistryClient } from "../../test/fixtures/registry-client.ts";
import { answer, at, cut, status } from "../../test/fixtures/registry-faults.ts";
import { DOCKER_MANIFEST, patternBytes, serveModel } from "../../test/fixtures/registry-model.ts";
import { AppError } from "../core/errors.ts";
import type { ManagementErrorCode } from "../core/management.ts";
import { PIECE_BYTES } from "../core/pieces.ts";

const MODEL = patternBytes(2.5 * PIECE_BYTES);
const OTHER = patternBytes(MODEL.length, 2);

type MakeFault = (registry: OciRegistry) => Fault;

const traversal = `sha256:../../../../../../etc/passwd`;
const manifestOf = (change: object): string =>
  JSON.stringify({
    schemaVersion: 2,
    mediaType: DOCKER_MANIFEST,
    config: { mediaType: "a/b", digest: `sha256:${"a".repeat(64)}`, size: 1 },
    layers: [{ mediaType: "a/b", digest: `sha256:${"b".repeat(64)}`, size: 1 }],
    ...change,
  });
const own: RegistryOptions = { flavour: "ollama", realm: "own" };
const foreign: RegistryOptions = { flavour: "ollama", realm: "foreign" };

interface Fatal {
  readonly what: string;
  readonly make: MakeFault;
  readonly code: ManagementErrorCode;
  readonly message: RegExp | string;
  readonly options?: RegistryOptions;
  /** How often the model's bytes were asked for. */
  readonly questions?: number;
}

const FATAL: readonly Fatal[] = [
  {
    what: "no such model",
    make: () => at("manifest", status(404)),
    code: "REMOTE_NOT_FOUND",
    message: "pull model manifest: file does not exist",
  },
  {
    what: "a registry that is ill",
    make: () => at("manifest", status(500, "oops\n")),
    code: "REGISTRY_REFUSED",
    message: "pull model manifest: 500: oops",
  },
  {
    what: "a model for newer programs",
    make: () => at("manifest", status(412, "The model requires a newer version")),
    code: "REGISTRY_REFUSED",
    message: "pull model manifest: 412: The model requires a newer version",
  },
  {
    what: "no answer to the question for the manifest",
    make: () => at("manifest", ({ response }) => response.destroy()),
    code: "REGISTRY_UNREACHABLE",
    message: /^pull model manifest: cannot reach 127\.0\.0\.1:\d+ \(ECONNRESET\)$/,
  },
  {
    what: "a manifest that ends too early",
    make: () =>
      at("manifest", ({ response }) => {
        response.writeHead(200, { "Content-Length": 1_000 });
        response.write("{", () => response.destroy());
      }),
    code: "REGISTRY_UNREACHABLE",
    message: /^pull model manifest: .* ended the connection before the last byte$/,
  },
  ...(
    [
      ["garbage", "\u0000garbage", /it is no JSON$/],
      ["a web page", "<!doctype html><html></html>", /it is no JSON$/],
      ["nothing", "", /it is no JSON$/],
      [
        "a list of other manifests",
        manifestOf({ mediaType: "application/vnd.oci.image.index.v1+json" }),
        /mediaType: is no manifest's$/,
      ],
      [
        "a digest that leaves the folder",
        manifestOf({ layers: [{ mediaType: "a/b", digest: traversal, size: 1 }] }),
        /layers\.0\.digest: is no SHA-256 digest$/,
      ],
      [
        "a config that leaves the folder",
        manifestOf({ config: { mediaType: "a/b", digest: traversal, size: 1 } }),
        /config\.digest: is no SHA-256 digest$/,
      ],
      [
        "a size below nothing",
        manifestOf({ config: { mediaType: "a/b", digest: `sha256:${"a".repeat(64)}`, size: -1 } }),
        /config\.size/,
      ],
    ] as const
  ).map(
    ([what, text, message]): Fatal => ({
      what: `for a manifest ${what}`,
      make: () => at("manifest", status(200, text)),
      code: "MANIFEST_INVALID",
      message,
    }),
  ),
  {
    what: "a huge manifest",
    make: () => at("manifest", status(200, " ".repeat(5_000_000))),
    code: "REGISTRY_INVALID",
    message: /^pull model manifest: it is larger than \d+ bytes$/,
  },
  {
    what: "redirects without end",
    make: () => at("manifest", (call) => status(307, "", { Location: call.url.href })(call)),
    code: "REGISTRY_INVALID",
    message: "pull model manifest: stopped after 10 redirects",
  },
  {
    what: "a redirect to a file",
    make: () => at("manifest", status(307, "", { Location: "file:///etc/passwd" })),
    code: "REGISTRY_INVALID",
    message: /redirects to file:/,
  },
  {
    what: "a redirect to no address",
    make: () => at("manifest", status(307, "", { Location: "http://[" })),
    code: "REGISTRY_INVALID",
    message: /redirects to what is no address$/,
  },
  {
    what: "a blob that the registry does not have",
    make: () => at("blob", status(404)),
    code: "REMOTE_NOT_FOUND",
    message: "file does not exist",
    questions: 0,
  },
  {
    what: "an answer without bytes",
    make: () => at("blob", status(204)),
    code: "REGISTRY_INVALID",
    message: "unexpected status code 204",
    questions: 0,
  },
  {
    what: "a redirect to nowhere",
    make: () => at("blob", status(307)),
    code: "REGISTRY_INVALID",
    message: "unexpected status code 307",
    questions: 0,
  },
  {
    what: "always 500",
    make: () => at("cdn", status(500, "oops")),
    code: "TRANSFER_FAILED",
    message: "max retries exceeded: 500: oops",
    questions: 6,
  },
  {
    what: "always a cut",
    make: (r) => at("cdn", cut(r, 1_000)),
    code: "TRANSFER_FAILED",
    message: /^max retries exceeded: .* ended the connection before the last byte$/,
    questions: 6,
  },
  {
    what: "bytes of another place",
    make: (r) =>
      at(
        "cdn",
        answer(r, ({ start, end, whole }) => ({
          range: `bytes ${start + 1}-${end}/${whole.length + 1}`,
        })),
      ),
    code: "REGISTRY_INVALID",
    message:
      /sent the wrong range: want bytes 0-10485759\/10485760, got bytes 1-10485760\/10485761$/,
    questions: 1,
  },
  {
    what: "a range that is none",
    make: (r) =>
      at(
        "cdn",
        answer(r, () => ({ range: "bytes */5" })),
      ),
    code: "REGISTRY_INVALID",
    message: /sent the wrong range/,
    questions: 1,
  },
  {
    what: "a blob of another size",
    make: (r) =>
      at(
        "cdn",
        answer(r, ({ start, end }) => ({ range: `bytes ${start}-${end - 1}/99999999` })),
      ),
    code: "REGISTRY_INVALID",
    message: /sent the wrong range/,
    questions: 1,
  },
  {
    what: "fewer bytes than the range has",
    make: (r) =>
      at(
        "cdn",
        answer(r, ({ bytes }) => ({ bytes: bytes.subarray(1), length: bytes.length - 1 })),
      ),
    code: "REGISTRY_INVALID",
    message: /sent the wrong length: want 10485760, got 10485759$/,
    questions: 1,
  },
  {
    what: "more bytes than the range has",
    make: (r) =>
      at(
        "cdn",
        answer(r, ({ bytes }) => ({ bytes: Buffer.concat([bytes, bytes]) })),
      ),
    code: "REGISTRY_INVALID",
    message: "more bytes came than the 10485760 that were asked for",
    questions: 1,
  },
  {
    what: "a web page instead of a blob",
    make: (r) =>
      at(
        "cdn",
        answer(r, () => ({
          code: 200,
          type: "text/html; charset=utf-8",
          bytes: Buffer.from("<html>log in</html>"),
        })),
      ),
    code: "REGISTRY_INVALID",
    message: /sent a web page instead of the blob$/,
    questions: 1,
  },
  {
    what: "other bytes",
    make: (r) =>
      at(
        "cdn",
        answer(r, () => ({ bytes: OTHER })),
      ),
    code: "DOWNLOAD_MISMATCH",
    message:
      /^digest mismatch, file must be downloaded again: want sha256:[0-9a-f]{64}, got sha256:[0-9a-f]{64}$/,
    questions: 1,
  },
  {
    what: "no way to get a token",
    make: () => at("manifest", status(401)),
    code: "REGISTRY_UNAUTHORIZED",
    message: "pull model manifest: unauthorized: access denied",
  },
  {
    what: "a token that opens nothing",
    options: own,
    make: (r) =>
      at(
        "manifest",
        status(401, "", { "WWW-Authenticate": `Bearer realm="http://${r.host}/token"` }),
      ),
    code: "REGISTRY_UNAUTHORIZED",
    message: "pull model manifest: unauthorized: access denied",
  },
  {
    what: "a token that is refused",
    options: own,
    make: () => at("token", status(403, "who are you")),
    code: "REGISTRY_UNAUTHORIZED",
    message: "pull model manifest: 403: who are you",
  },
  {
    what: "a token that another host refuses",
    options: foreign,
    make: () => at("token", status(401)),
    code: "REGISTRY_UNAUTHORIZED",
    message:
      /^pull model manifest: realm host "127\.0\.0\.1:\d+" does not match original host "127\.0\.0\.1:\d+"$/,
  },
  {
    what: "a token that would split a header",
    options: own,
    make: () => at("token", status(200, JSON.stringify({ token: "a\r\nHost: b" }))),
    code: "REGISTRY_INVALID",
    message: /answered with no token$/,
  },
  {
    what: "a token without end",
    options: own,
    make: () => at("token", status(200, "x".repeat(1_000_000))),
    code: "REGISTRY_INVALID",
    message: /answered with no token$/,
  },
  {
    what: "a realm that is a file",
    make: () =>
      at("manifest", status(401, "", { "WWW-Authenticate": `Bearer realm="file:///etc/passwd"` })),
    code: "REGISTRY_INVALID",
    message: /names a place for tokens that cannot be used$/,
  },
];

t.test("what does not pass ends the pull, and nothing wrong stays", async (t) => {
  for (const { what, make, code, message, options, questions } of FATAL) {
    t.test(what, async (t) => {
      const registry = await OciRegistry.open(t, options);
      serveModel(registry, "a/b:c", { model: MODEL });
      registry.faults.push(make(registry));
      const client = new RegistryClient();
      const { store } = client;
      await t.rejects(client.pull(registry), { code, message });
      if (questions !== undefined) t.equal(registry.ranges("cdn").length, questions);
      t.equal(store.manifests.size, 0);
      t.equal(store.blobs.size, 0);
      t.equal(store.reserved.size, 0);
      t.equal(store.open, 0);
      registry.faults.pop();
      t.equal(
        (await client.pull(registry)).at(-1)?.status,
        "success",
        "without the fault it comes",
      );
    });
  }
});

t.test("a full disk ends it at once, and so does a registry that is not there", async (t) => {
  const registry = await OciRegistry.open(t);
  serveModel(registry, "a/b:c", { model: MODEL });
  const client = new RegistryClient();
  client.store.writeFailure = new AppError("DISK_FULL", "no space is left");
  await t.rejects(client.pull(registry), { code: "DISK_FULL" });
  t.equal(registry.ranges("cdn").length, 1);
  t.equal(client.store.open, 0);
  await t.rejects(client.pull({ host: "127.0.0.1:1" }), {
    code: "REGISTRY_UNREACHABLE",
    message: "pull model manifest: cannot reach 127.0.0.1:1 (ECONNREFUSED)",
  });
});
