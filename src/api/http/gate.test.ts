import { hostname } from "node:os";
import t from "tap";
import { fakeCluster } from "../../../test/fixtures/fake-cluster.ts";
import { createApp } from "../app.ts";
import { gateOf, isAllowedHost, judgeOrigin } from "./gate.ts";

t.test("which Host means this machine, on loopback", (t) => {
  const gate = gateOf("127.0.0.1", []);
  const rows: readonly (readonly [host: string | undefined, allowed: boolean])[] = [
    [undefined, true],
    ["", true],
    ["localhost", true],
    ["LOCALHOST:11434", true],
    ["127.0.0.1:11434", true],
    ["127.9.9.9", true],
    ["[::1]:11434", true],
    ["[::]", true],
    ["0.0.0.0:1", true],
    ["10.1.2.3", true],
    ["192.168.0.7:11434", true],
    ["172.16.0.1", true],
    ["172.31.255.255", true],
    ["[fd00::1]:11434", true],
    [hostname(), true],
    ["my.localhost", true],
    ["box.local:11434", true],
    ["host.docker.internal:11434", true],
    ["172.32.0.1", false],
    ["172.1.0.1", false],
    ["8.8.8.8", false],
    ["127.0.0.1.evil.com", false],
    ["10.evil.com", false],
    ["evil.com", false],
    ["localhost.evil.com", false],
    ["notlocalhost", false],
    ["[2001:db8::1]", false],
    ["fc.evil.com", false],
  ];
  for (const [host, allowed] of rows) t.equal(isAllowedHost(gate, host), allowed, host ?? "none");
  t.end();
});

t.test("bound elsewhere, any Host will do", (t) => {
  for (const host of ["0.0.0.0", "::", "192.168.0.7", "my.machine"]) {
    t.ok(isAllowedHost(gateOf(host, []), "evil.com"), host);
  }
  for (const host of ["127.0.0.1", "127.1.1.1", "localhost", "::1"]) {
    t.notOk(isAllowedHost(gateOf(host, []), "evil.com"), host);
  }
  t.end();
});

t.test("which origins may call", (t) => {
  const gate = gateOf("127.0.0.1", ["https://app.example.com", "https://*.example.org"]);
  const rows: readonly (readonly [origin: string | undefined, verdict: string])[] = [
    [undefined, "same"],
    ["", "same"],
    ["http://box:11434", "same"],
    ["https://box:11434", "same"],
    ["http://localhost", "allowed"],
    ["https://localhost:3000", "allowed"],
    ["http://127.0.0.1:8080", "allowed"],
    ["http://0.0.0.0", "allowed"],
    ["app://obsidian.md", "allowed"],
    ["file://", "allowed"],
    ["tauri://localhost", "allowed"],
    ["vscode-webview://abc", "allowed"],
    ["vscode-file://vscode-app", "allowed"],
    ["https://app.example.com", "allowed"],
    ["https://a.b.example.org", "allowed"],
    ["http://app.example.com", "refused"],
    ["https://appxexample.com", "refused"],
    ["https://example.org.evil.com", "refused"],
    ["http://localhost.evil.com", "refused"],
    ["http://evil.com", "refused"],
    ["null", "refused"],
  ];
  for (const [origin, verdict] of rows) {
    t.equal(judgeOrigin(gate, origin, "box:11434"), verdict, origin ?? "none");
  }
  t.equal(judgeOrigin(gateOf("0.0.0.0", ["*"]), "http://evil.com", "box"), "allowed");
  t.end();
});

t.test("refused calls get an empty 403, preflights a 204", async (t) => {
  const app = createApp(
    fakeCluster({ options: { origins: ["https://app.example.com"] } }),
    () => false,
  );
  const rows: readonly (readonly [method: string, headers: object, status: number])[] = [
    ["GET", { Host: "evil.com" }, 403],
    ["OPTIONS", { Host: "evil.com" }, 403],
    ["GET", { Host: "localhost", Origin: "http://evil.com" }, 403],
    ["OPTIONS", { Host: "localhost", Origin: "http://evil.com" }, 403],
    ["OPTIONS", { Host: "localhost" }, 204],
    ["OPTIONS", { Host: "localhost", Origin: "https://app.example.com" }, 204],
    ["GET", { Host: "localhost", Origin: "https://app.example.com" }, 200],
    ["GET", { Host: "localhost:1", Origin: "http://localhost:1" }, 200],
  ];
  for (const [method, headers, status] of rows) {
    const response = await app.request("/api/tags", { method, headers: { ...headers } });
    t.equal(response.status, status, `${method} ${JSON.stringify(headers)}`);
    if (status !== 200) t.equal(await response.text(), "");
  }
});

t.test("what browsers are told", async (t) => {
  const app = createApp(fakeCluster(), () => false);
  const origin = "http://localhost:3000";
  const preflight = await app.request("/api/chat", {
    method: "OPTIONS",
    headers: { Origin: origin, "Access-Control-Request-Method": "POST" },
  });
  const told = (response: Response, name: string) => response.headers.get(`access-control-${name}`);
  t.equal(told(preflight, "allow-origin"), origin);
  t.equal(told(preflight, "allow-methods"), "GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS");
  t.match(told(preflight, "allow-headers"), /Authorization,Content-Type,.*x-stainless-timeout/);
  t.equal(told(preflight, "max-age"), "43200");
  t.equal(told(preflight, "allow-credentials"), null);
  for (const path of ["/api/tags", "/nowhere", "/api/show"]) {
    const response = await app.request(path, { headers: { Origin: origin } });
    t.equal(told(response, "allow-origin"), origin, path);
    t.equal(response.headers.get("vary"), "Origin", path);
    t.equal(told(response, "allow-methods"), null, path);
  }
  const refused = await app.request("/api/chat", {
    method: "POST",
    headers: { Origin: origin },
    body: "{",
  });
  t.equal(refused.status, 400);
  t.equal(told(refused, "allow-origin"), origin, "pages can read errors, too");
});

t.test("a page may send what the clients of every API send", async (t) => {
  const app = createApp(fakeCluster(), () => false);
  const response = await app.request("/v1/messages", {
    method: "OPTIONS",
    headers: { Origin: "http://localhost:3000" },
  });
  t.equal(response.status, 204);
  const allowed = response.headers.get("access-control-allow-headers")?.split(",") ?? [];
  for (const name of ["Authorization", "x-api-key", "anthropic-version", "x-stainless-lang"]) {
    t.ok(allowed.includes(name), name);
  }
});
