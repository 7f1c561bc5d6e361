import t from "tap";
import { type Fault, OciRegistry, type RegistryOptions } from "../../test/fixtures/oci-registry.ts";
import { RegistryClient } from "../../test/fixtures/registry-client.ts";
import { answer, at, cut, halfAnswer, status } from "../../test/fixtures/registry-faults.ts";
import { DOCKER_MANIFEST, patternBytes, serveModel } from "../../test/fixtures/registry-model.ts";
import { AppError } from "../core/errors.ts";
import type { ManagementErrorCode } from "../core/management.ts";
import { PIECE_BYTES } from "../core/pieces.ts";

const MODEL = patternBytes(2.5 * PIECE_BYTES);
const OTHER = patternBytes(MODEL.length, 2);

type MakeFault = (registry: OciRegistry) => Fault;

/** What another try mends; how many tries it takes. */
const MENDED: readonly [what: string, make: MakeFault, questions: number][] = [
  ["a cut before the first byte", (r) => at("cdn", cut(r, 0), 5), 6],
  ["a cut in the first piece", (r) => at("cdn", cut(r, 1_000_000), 1), 2],
  ["a cut after a piece", (r) => at("cdn", cut(r, 1.5 * PIECE_BYTES), 1), 2],
  ["500 and then fine", () => at("cdn", status(500, "oops"), 5), 6],
  ["too many requests", () => at("cdn", status(429), 2), 3],
  ["a link that has expired", () => at("cdn", status(403, "expired"), 2), 3],
  ["500 of the registry itself", () => at("blob", status(500, "oops"), 2), 1],
  ["a registry that hangs up", () => at("blob", ({ response }) => response.destroy(), 2), 1],
];

t.test("a transfer goes on after what passes", async (t) => {
  for (const [what, make, questions] of MENDED) {
    t.test(what, async (t) => {
      const registry = await OciRegistry.open(t);
      const { digests } = serveModel(registry, "a/b:c", { model: MODEL });
      registry.faults.push(make(registry));
      const client = new RegistryClient();
      const { store } = client;
      t.equal((await client.pull(registry)).at(-1)?.status, "success");
      const model = registry.calls.filter(
        ({ place, url }) => place === "cdn" && url.pathname.endsWith(digests[0] ?? "none"),
      );
      t.equal(model.length, questions);
      t.equal(store.open, 0);
    });
  }
});

t.test("tries that bring something are not counted", async (t) => {
  const registry = await OciRegistry.open(t);
  const model = patternBytes(10 * PIECE_BYTES);
  serveModel(registry, "a/b:c", { model });
  registry.faults.push(at("cdn", cut(registry, 1.5 * PIECE_BYTES), 9));
  const client = new RegistryClient();
  t.equal((await client.pull(registry)).at(-1)?.status, "success");
  t.same(
    registry.ranges("cdn").slice(0, 3),
    [0, 1, 2].map((piece) => `bytes=${piece * PIECE_BYTES}-${model.length - 1}`),
    "each asks for what is missing",
  );
});

t.test("pauses grow, and differ by chance", async (t) => {
  const registry = await OciRegistry.open(t);
  serveModel(registry, "a/b:c", { model: MODEL });
  registry.faults.push(at("cdn", status(503), 5));
  const client = new RegistryClient();
  await client.pull(registry);
  const pausesMs = client.clock.pausesMs.filter((ms) => ms !== 60);
  t.equal(pausesMs.length, 5);
  for (const [index, pauseMs] of pausesMs.entries()) {
    const middleMs = 1_000 * 2 ** index;
    t.ok(Math.abs(pauseMs - middleMs) <= 0.2 * middleMs, `pause ${index} of ${pauseMs} ms`);
  }
});

t.test("a stall is not counted, however often", async (t) => {
  const registry = await OciRegistry.open(t);
  serveModel(registry, "a/b:c", { model: MODEL });
  const client = new RegistryClient();
  let stalled = 0;
  registry.faults.push(
    at(
      "cdn",
      halfAnswer(registry, 5, () => stalled++),
      8,
    ),
  );
  const passing = setInterval(() => {
    if (stalled > 0 && stalled < 9) client.clock.pass(30_000);
  }, 5);
  t.teardown(() => clearInterval(passing));
  registry.faults.push(({ place }) => {
    if (place === "cdn") stalled = 9;
    return false;
  });
  t.equal((await client.pull(registry)).at(-1)?.status, "success");
});

t.test("slow bytes are no fault", async (t) => {
  const registry = await OciRegistry.open(t);
  serveModel(registry, "a/b:c", { model: MODEL });
  registry.faults.push(
    at(
      "cdn",
      ({ response }) => {
        response.writeHead(206, {
          "Content-Range": `bytes 0-${MODEL.length - 1}/${MODEL.length}`,
        });
        let sent = 0;
        const more = (): void => {
          const part = MODEL.subarray(sent, sent + 100_003);
          sent += part.length;
          if (part.length === 0) response.end();
          else response.write(part, () => setImmediate(more));
        };
        more();
      },
      1,
    ),
  );
  t.equal((await new RegistryClient().pull(registry)).at(-1)?.status, "success");
});

t.test("a server that knows no ranges is asked once for all, and what is here stays", async (t) => {
  const registry = await OciRegistry.open(t);
  const model = patternBytes(60 * PIECE_BYTES);
  serveModel(registry, "a/b:c", { model });
  registry.faults.push(({ place, request }) => {
    if (place === "cdn") delete request.headers.range;
    return false;
  });
  const client = new RegistryClient();
  const { store } = client;
  const digest = store.put(model);
  store.blobs.delete(digest);
  store.partial.set(digest, new Map([[7, model.subarray(7 * PIECE_BYTES, 8 * PIECE_BYTES)]]));
  const written: number[] = [];
  store.onWrite = (piece) => written.push(piece);
  t.equal((await client.pull(registry)).at(-1)?.status, "success");
  t.notOk(written.includes(7));
  t.ok(Buffer.compare(store.blobs.get(digest) ?? Buffer.alloc(0), model) === 0);
});

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
