import { verify } from "node:crypto";
import t from "tap";
import { OciRegistry } from "../../test/fixtures/oci-registry.ts";
import { RegistryClient } from "../../test/fixtures/registry-client.ts";
import { patternBytes, serveModel } from "../../test/fixtures/registry-model.ts";
import { PIECE_BYTES } from "../core/pieces.ts";

const MODEL = patternBytes(1.5 * PIECE_BYTES);

t.test("the registry itself learns who we are, as Ollama says it", async (t) => {
  const registry = await OciRegistry.open(t, { flavour: "ollama", realm: "own" });
  serveModel(registry, "a/b:c", { model: MODEL });
  const client = new RegistryClient();
  await client.pull(registry);
  const asked = registry.calls.filter(({ place }) => place === "token");
  t.equal(asked.length, 1, "one token for all");
  const [question] = asked;
  if (!question) return;
  const { url, headers } = question;
  t.same(url.searchParams.getAll("scope"), ["repository:a/b:pull", "repository:a/b:push"]);
  t.equal(url.searchParams.get("service"), "the test");
  t.match(url.searchParams.get("ts"), /^\d{10}$/);
  t.match(url.searchParams.get("nonce"), /^[A-Za-z0-9_-]{22}$/);
  const [key = "", signature = ""] = (headers.authorization ?? "").split(":");
  const blob = Buffer.from(key, "base64");
  t.equal(blob.subarray(0, 15).toString("latin1"), "\0\0\0\x0bssh-ed25519");
  const { x = "" } = client.identity.publicKey.export({ format: "jwk" });
  t.equal(blob.subarray(19).toString("base64url"), x);
  // The SHA-256 of nothing, in base64 of its hex digits.
  const empty =
    "ZTNiMGM0NDI5OGZjMWMxNDlhZmJmNGM4OTk2ZmI5MjQyN2FlNDFlNDY0OWI5MzRjYTQ5NTk5MWI3ODUyYjg1NQ==";
  const signed = Buffer.from(`GET,${url.href},${empty}`);
  t.ok(verify(null, signed, client.identity.publicKey, Buffer.from(signature, "base64")));
});

t.test("nobody else learns who we are, or what token we have", async (t) => {
  for (const realm of ["own", "foreign"] as const) {
    const registry = await OciRegistry.open(t, { flavour: "ollama", realm });
    serveModel(registry, "a/b:c", { model: MODEL });
    await new RegistryClient().pull(registry);
    const elsewhere = registry.calls.filter(({ url }) => url.host === registry.otherHost);
    t.ok(elsewhere.length > 0);
    for (const { place, headers } of elsewhere) {
      t.equal(headers.authorization, undefined, `${place} of ${realm}`);
    }
    const manifests = registry.calls.filter(({ place }) => place === "manifest");
    t.same(
      manifests.map(({ headers }) => headers.authorization),
      [undefined, "Bearer token-of-the-test"],
    );
  }
});

t.test("the registry is told which Ollama we stand for", async (t) => {
  const registry = await OciRegistry.open(t);
  serveModel(registry, "a/b:c", { model: MODEL });
  await new RegistryClient().pull(registry);
  for (const { headers } of registry.calls) {
    t.match(headers["user-agent"], /^ollama\/0\.33\.0 \(\w+ \w+\) ollamamax\/1\.2\.3$/);
  }
  t.match(registry.calls[0]?.headers.accept, /docker.*manifest\.v2\+json.*oci\.image\.manifest/);
});
