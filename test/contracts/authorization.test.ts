import t from "tap";
import { createApp, ROUTES } from "../../src/api/app.ts";
import { KeyRing } from "../../src/auth/key-ring.ts";
import { ROLES, type Role } from "../../src/core/auth.ts";
import { systemClock } from "../../src/core/clock.ts";
import { silentLog } from "../../src/core/log.ts";
import { seededRandom } from "../../src/core/random.ts";
import { fakeCluster } from "../fixtures/fake-cluster.ts";
import { TestKeySource, testKey } from "../fixtures/key-source.ts";

const ALL = ROLES;
const ANYBODY = "anybody";

/** What is of Ollama's cloud, which is not there. */
const NOBODY: readonly Role[] = [];

/** Who may call what. */
const TABLE: Readonly<Record<string, typeof ANYBODY | readonly Role[]>> = {
  "GET /": ANYBODY,
  "HEAD /": ANYBODY,
  "GET /api/version": ANYBODY,
  "HEAD /api/version": ANYBODY,
  "GET /api/status": ANYBODY,
  "POST /api/me": NOBODY,
  "POST /api/signout": NOBODY,
  "DELETE /api/user/keys/:key": NOBODY,
  "POST /api/experimental/web_search": NOBODY,
  "POST /api/experimental/web_fetch": NOBODY,
  "GET /api/experimental/model-recommendations": ALL,
  "GET /openapi.json": ANYBODY,
  "GET /docs": ANYBODY,
  "GET /health/live": ANYBODY,
  "HEAD /health/live": ANYBODY,
  "GET /health/ready": ANYBODY,
  "HEAD /health/ready": ANYBODY,
  "GET /health/db": ANYBODY,
  "HEAD /health/db": ANYBODY,
  "GET /api/tags": ALL,
  "HEAD /api/tags": ALL,
  "GET /api/ps": ALL,
  "POST /api/show": ALL,
  "GET /v1/models": ALL,
  "GET /v1/models/:id{.+}": ALL,
  "POST /api/generate": ["admin", "operator", "user"],
  "POST /api/chat": ["admin", "operator", "user"],
  "POST /api/embed": ["admin", "operator", "user"],
  "POST /api/tokenize": ["admin", "operator", "user"],
  "POST /api/detokenize": ["admin", "operator", "user"],
  "POST /api/embeddings": ["admin", "operator", "user"],
  "POST /v1/chat/completions": ["admin", "operator", "user"],
  "POST /v1/completions": ["admin", "operator", "user"],
  "POST /v1/responses": ["admin", "operator", "user"],
  "POST /v1/audio/transcriptions": ["admin", "operator", "user"],
  "POST /v1/messages": ["admin", "operator", "user"],
  "POST /v1/messages/count_tokens": ["admin", "operator", "user"],
  "POST /v1/embeddings": ["admin", "operator", "user"],
  "GET /v2/": ALL,
  "HEAD /v2/": ALL,
  "GET /v2/:rest{.+}": ALL,
  "HEAD /v2/:rest{.+}": ALL,
  "POST /api/cluster/wanted": ["admin", "operator"],
  "POST /api/pull": ["admin", "operator"],
  "POST /api/push": ["admin", "operator"],
  "POST /api/create": ["admin", "operator"],
  "POST /api/copy": ["admin", "operator"],
  "DELETE /api/delete": ["admin", "operator"],
  "HEAD /api/blobs/:digest{.+}": ["admin", "operator"],
  "POST /api/blobs/:digest{.+}": ["admin", "operator"],
  "GET /api/cluster/nodes": ALL,
  "GET /api/cluster/nodes/:id/drain": ALL,
  "POST /api/cluster/nodes/:id/drain": ["admin", "operator"],
  "DELETE /api/cluster/nodes/:id/drain": ["admin", "operator"],
  "GET /api/cluster/replicas": ALL,
  "GET /api/cluster/transfers": ALL,
  "GET /api/cluster/models": ALL,
  "GET /api/cluster/registry/nodes": ALL,
  "GET /api/cluster/registry/replicas": ALL,
  "GET /api/cluster/requests": ["admin", "operator", "readonly"],
  "GET /api/cluster/audit": ["admin", "operator"],
};

const keys = ROLES.map((role) => ({ role, ...testKey(role) }));

t.test("every route is in the table", (t) => {
  const routes = ROUTES.flatMap(([methods, path]) =>
    methods.split(" ").map((method) => `${method} ${path}`),
  );
  t.same(routes.sort(), Object.keys(TABLE).sort());
  t.end();
});

t.test("every role at every route, and whoever has no key", async (t) => {
  await using authority = await KeyRing.open({
    ...{ source: new TestKeySource(keys), clock: systemClock, log: silentLog },
    random: seededRandom(1),
  });
  const app = createApp(fakeCluster({ authority }), () => false);
  const statusOf = async (route: string, key?: string): Promise<number> => {
    const [method = "", path = ""] = route.replace(":id{.+}", "llama").split(" ");
    const headers = key === undefined ? {} : { Authorization: `Bearer ${key}` };
    const body = method === "POST" ? { body: JSON.stringify({ model: "llama" }) } : {};
    const response = await app.request(path, { method, headers, ...body });
    await response.text();
    return response.status;
  };
  for (const [route, allowed] of Object.entries(TABLE)) {
    const open = allowed === ANYBODY;
    t.equal((await statusOf(route)) === 401, !open, `${route}, no key`);
    // After many of them it is 429.
    const wrong = await statusOf(route, "omx_wrong");
    t.equal([401, 429].includes(wrong), !open, `${route}, a wrong key`);
    for (const { role, text } of keys) {
      const refused = [401, 403].includes(await statusOf(route, text));
      t.equal(refused, !open && !allowed.includes(role), `${route}, ${role}`);
    }
  }
});
