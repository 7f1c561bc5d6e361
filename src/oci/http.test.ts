import t from "tap";
import { OciRegistry } from "../../test/fixtures/oci-registry.ts";
import { RegistryClient, requestOf } from "../../test/fixtures/registry-client.ts";
import { serveModel } from "../../test/fixtures/registry-model.ts";
import { unreachable } from "./http.ts";

t.test("a registry that speaks plain HTTP", async (t) => {
  const registry = await OciRegistry.open(t);
  serveModel(registry, "a/b:c", { model: Buffer.from("x") });
  const request = { ...requestOf(registry), insecure: false };
  const waiting = { signal: new AbortController().signal };
  const lines = new RegistryClient().distribution.pull(request, waiting);
  await t.rejects(Array.fromAsync(lines), {
    code: "REGISTRY_UNREACHABLE",
    message:
      /^pull model manifest: cannot reach \S+: it seems to speak plain HTTP: use --insecure$/,
  });
});

t.test("why a registry cannot be reached, in one line", (t) => {
  const openssl =
    "error:0A00010B:SSL routines:ssl3_get_record:wrong version number:../record.c:1:\n";
  const rows: readonly (readonly [url: string, code: string, text: string, line: string])[] = [
    ["https://r.io", "EPROTO", openssl, "r.io: it seems to speak plain HTTP: use --insecure"],
    [
      "https://r.io:5000",
      "ERR_SSL_WRONG_VERSION_NUMBER",
      "",
      "r.io:5000: it seems to speak plain HTTP: use --insecure",
    ],
    ["https://r.io", "EPROTO", "alert handshake failure", "r.io (EPROTO)"],
    [
      "https://r.io:5000",
      "ENOTFOUND",
      "getaddrinfo ENOTFOUND r.io",
      "r.io:5000: the name r.io cannot be resolved (ENOTFOUND), check it and the DNS",
    ],
    [
      "http://r.io",
      "EAI_AGAIN",
      "",
      "r.io: the name r.io cannot be resolved (EAI_AGAIN), check it and the DNS",
    ],
    ["http://r.io", "ECONNREFUSED", "", "r.io (ECONNREFUSED)"],
    [
      "https://r.io",
      openssl.replace("wrong", "no"),
      "",
      "r.io (error:0A00010B:SSL routines:ssl3_get_record:no version number:../record.c:1:)",
    ],
  ];
  for (const [url, code, text, line] of rows) {
    t.equal(unreachable(new URL(url), code, text), `cannot reach ${line}`);
  }
  t.end();
});
