import t from "tap";
import { fakeCluster } from "../../../test/fixtures/fake-cluster.ts";
import { recordingMetrics } from "../../../test/fixtures/recording-metrics.ts";
import type { Authority, Identity } from "../../core/auth.ts";
import { createApp } from "../app.ts";

/** Keys are their own stories here. */
const IDENTITIES: Readonly<Record<string, Identity>> = {
  ann: { kind: "known", principal: { userId: "ann", keyId: "1", role: "user" } },
  eve: { kind: "known", principal: { userId: "eve", keyId: "2", role: "readonly" } },
  malformed: { kind: "refused", reason: "malformed" },
  unknown: { kind: "refused", reason: "unknown" },
  revoked: { kind: "refused", reason: "revoked" },
  expired: { kind: "refused", reason: "expired" },
  unready: { kind: "unready" },
};
const authority: Authority = {
  identify: (key) => IDENTITIES[key] ?? { kind: "refused", reason: "unknown" },
  may: (role) => role === "user",
};
const CHAT = { model: "llama", messages: [{ role: "user", content: "hi" }], stream: false };

function open(parts: { readonly origins?: readonly string[]; readonly isDraining?: boolean } = {}) {
  const metrics = recordingMetrics();
  const options = { origins: parts.origins ?? [] };
  const cluster = fakeCluster({ authority, metrics, options });
  const app = createApp(cluster, () => parts.isDraining ?? false);
  const call = (headers: Record<string, string>, path = "/api/chat", remoteAddress = "10.0.0.1") =>
    app.request(
      path,
      { method: "POST", headers, body: JSON.stringify(CHAT) },
      {
        incoming: { socket: { remoteAddress } },
      },
    );
  return { app, cluster, metrics, call };
}

t.test("a key goes on as its user, however clients send it", async (t) => {
  const rows: readonly Record<string, string>[] = [
    { Authorization: "Bearer ann" },
    { Authorization: "bearer  ann " },
    { "X-Api-Key": "ann" },
    { Authorization: "Basic YW5uOmFubg==", "X-Api-Key": "ann" },
    { Authorization: "Bearer ann", "X-Api-Key": "unknown" },
  ];
  for (const headers of rows) {
    const { call, cluster, metrics } = open();
    t.equal((await call(headers)).status, 200, JSON.stringify(headers));
    t.match(cluster.inference.asked, [{ userId: "ann" }]);
    t.equal(metrics.value("ollamamax_auth_refusals_total"), 0);
  }
});

t.test("what is refused, and what whoever asked reads", async (t) => {
  const rows: readonly (readonly [Record<string, string>, number, string, RegExp])[] = [
    [{}, 401, "missing", /Authorization: Bearer omx_.*ollamamax key create NAME/],
    [{ Authorization: "Bearer " }, 401, "missing", /send it as/],
    [{ Authorization: "Basic YW5uOmFubg==" }, 401, "missing", /send it as/],
    [{ "X-Api-Key": " " }, 401, "missing", /send it as/],
    [{ Authorization: "Bearer malformed" }, 401, "malformed", /begin with omx_/],
    [{ Authorization: "Bearer unknown" }, 401, "unknown", /no such key/],
    [{ Authorization: "Bearer revoked" }, 401, "revoked", /was revoked/],
    [{ "X-Api-Key": "expired" }, 401, "expired", /has expired/],
    [{ "X-Api-Key": "unready" }, 503, "unready", /could not read the cluster's keys/],
    [{ "X-Api-Key": "eve" }, 403, "forbidden", /role readonly .* models\.use: .* role user$/],
  ];
  for (const [headers, status, reason, message] of rows) {
    const { call, cluster, metrics } = open();
    const what = JSON.stringify(headers);
    const response = await call(headers);
    t.equal(response.status, status, what);
    t.equal(response.headers.get("content-type"), "application/json; charset=utf-8", what);
    t.match(await response.json(), { error: message }, what);
    const challenge = { missing: "Bearer" }[reason] ?? 'Bearer error="invalid_token"';
    t.equal(response.headers.get("www-authenticate"), status === 401 ? challenge : null, what);
    t.equal(response.headers.get("retry-after"), status === 503 ? "2" : null, what);
    t.same(cluster.inference.generated, [], what);
    t.equal(metrics.value("ollamamax_auth_refusals_total", { reason }), 1, what);
    t.equal(metrics.value("ollamamax_auth_refusals_total"), 1, what);
  }
});

t.test("OpenAI's clients read it in their own envelope", async (t) => {
  const { call } = open();
  const response = await call({ Authorization: "Bearer unknown" }, "/v1/chat/completions");
  t.equal(response.status, 401);
  t.equal(response.headers.get("www-authenticate"), 'Bearer error="invalid_token"');
  t.match(await response.json(), { error: { type: "authentication_error", message: /no such/ } });
});

t.test("wrong keys are limited by their address; right ones behind it go on", async (t) => {
  const { call, cluster, metrics } = open();
  const status = async (key: string, address?: string) =>
    (await call({ Authorization: `Bearer ${key}` }, "/api/chat", address)).status;
  for (let number = 0; number < 20; number++) t.equal(await status("unknown"), 401);
  const limited = await call({ Authorization: "Bearer unknown" });
  t.equal(limited.status, 429);
  t.equal(limited.headers.get("retry-after"), "3");
  t.match(await limited.json(), { error: /too many wrong keys .* try again in 3 s$/ });
  t.equal(await status("ann"), 200);
  t.equal(await status("unknown", "10.0.0.2"), 401);
  t.equal((await call({})).status, 401, "no key is no try");
  t.equal(metrics.value("ollamamax_auth_refusals_total", { reason: "limited" }), 1);
  await cluster.clock.advance(3_000);
  t.equal(await status("unknown"), 401);
});

t.test("the gate and the drain come first, and browsers can read the refusal", async (t) => {
  const origin = "https://app.example";
  const { app, call } = open({ origins: [origin] });
  const asked = { Origin: origin, "Access-Control-Request-Method": "POST" };
  const preflight = await app.request("/api/chat", { method: "OPTIONS", headers: asked });
  t.equal(preflight.status, 204);
  t.match(
    preflight.headers.get("access-control-allow-headers"),
    /\bAuthorization\b.*\bx-api-key\b/,
  );
  const refused = await call({ Origin: origin });
  t.equal(refused.status, 401);
  t.equal(refused.headers.get("access-control-allow-origin"), origin);
  t.equal((await call({ Origin: "https://other.example" })).status, 403);
  t.equal((await open({ isDraining: true }).call({})).status, 503);
});

t.test("where nobody is asked nobody is told from anybody", async (t) => {
  const cluster = fakeCluster();
  const app = createApp(cluster, () => false);
  const headers = { Authorization: "Bearer unknown" };
  const response = await app.request("/api/chat", {
    ...{ method: "POST", headers, body: JSON.stringify(CHAT) },
  });
  t.equal(response.status, 200);
  t.notOk("userId" in (cluster.inference.asked[0] ?? {}));
});
