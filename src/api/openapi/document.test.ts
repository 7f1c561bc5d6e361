import { runInNewContext } from "node:vm";
import t from "tap";
import { fakeCluster } from "../../../test/fixtures/fake-cluster.ts";
import { createApp, ROUTES } from "../app.ts";
import { openApiDocument } from "./document.ts";
import { OPERATIONS } from "./operations.ts";
import { schemaOf } from "./schema-of.ts";

interface Documented {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly security: readonly unknown[];
  readonly parameters: readonly { readonly name: string; readonly in: string }[];
  readonly requestBody?: {
    readonly content: Readonly<Record<string, { readonly schema: unknown }>>;
  };
  readonly responses: Readonly<Record<string, { readonly description: string }>>;
}
type Paths = Readonly<Record<string, Readonly<Record<string, Documented>>>>;

const document = openApiDocument(ROUTES, "1.2.3");
const paths = document["paths"] as Paths;

t.test("every route is described, and nothing else", (t) => {
  const known = new Set(ROUTES.map(([, path]) => path));
  t.same(
    [...known].filter((path) => !Object.hasOwn(OPERATIONS, path)),
    [],
    "routes without a description",
  );
  t.same(
    Object.keys(OPERATIONS).filter((path) => !known.has(path)),
    [],
    "descriptions without a route",
  );
  t.equal(Object.keys(paths).length, known.size);
  t.end();
});

t.test("operations, as OpenAPI has them", (t) => {
  t.match(document, { openapi: "3.1.0", info: { title: "OllamaMax", version: "1.2.3" } });
  const all = Object.entries(paths).flatMap(([path, methods]) =>
    Object.values(methods).map((operation) => ({ path, ...operation })),
  );
  t.equal(new Set(all.map(({ operationId }) => operationId)).size, all.length, "ids differ");
  for (const { path, operationId, summary, parameters, responses } of all) {
    t.match(operationId, /^[A-Z][A-Za-z0-9_]*$/);
    t.ok(summary, path);
    t.ok(Object.values(responses)[0]?.description, path);
    const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    const given = parameters.filter((parameter) => parameter.in === "path");
    t.same(
      given.map(({ name }) => name),
      named,
      path,
    );
    t.notMatch(path, /:/);
  }
  t.same(paths["/health/live"]?.["get"]?.security, []);
  t.same(paths["/api/chat"]?.["post"]?.security, [{ key: [] }]);
  t.match(paths["/api/chat"]?.["post"]?.requestBody?.content["application/json"]?.schema, {
    type: "object",
    properties: {
      model: { type: ["string", "null"] },
      messages: {
        type: ["array", "null"],
        items: { type: "object", properties: { role: { type: ["string", "null"] } } },
      },
      keep_alive: { type: ["string", "number"] },
      options: { type: "object" },
    },
  });
  t.match(paths["/v1/models/{id}"]?.["get"]?.parameters, [{ name: "id", in: "path" }]);
  t.match(paths["/api/blobs/{digest}"], {
    head: { responses: { 200: {}, 404: {} }, requestBody: undefined },
    post: { responses: { 201: {} }, requestBody: { content: { "application/octet-stream": {} } } },
  });
  t.match(paths["/v1/audio/transcriptions"]?.["post"], {
    requestBody: {
      content: {
        "multipart/form-data": {
          schema: {
            properties: { file: { type: undefined }, model: { type: "string" } },
            required: ["file", "model"],
          },
        },
      },
    },
    responses: { 200: {}, 400: {}, 404: {} },
  });
  t.notOk(paths["/api/tags"]?.["head"], "HEAD is GET without a body");
  t.same(Object.keys(paths["/api/me"]?.["post"]?.responses ?? {}), ["401", "403"]);
  t.match(paths["/api/cluster/nodes/{id}/drain"], {
    get: { requestBody: undefined },
    post: { requestBody: {} },
    delete: { requestBody: undefined },
  });
  t.match(paths["/api/copy"]?.["post"], {
    requestBody: {
      content: { "application/json": { schema: { required: ["source", "destination"] } } },
    },
    responses: { 200: { content: undefined } },
  });
  t.end();
});

t.test("a shape of a kind that nobody described is a mistake of ours", (t) => {
  t.throws(() => schemaOf({ type: "api.New", custom: (value) => value }), /api\.New/);
  t.end();
});

t.test("the document and its page are served", async (t) => {
  const app = createApp(fakeCluster({}), () => false);
  const served = await app.request("/openapi.json");
  t.equal(served.headers.get("content-type"), "application/json; charset=utf-8");
  t.same(((await served.json()) as { paths: object }).paths, JSON.parse(JSON.stringify(paths)));
  const page = await app.request("/docs");
  t.match(page.headers.get("content-security-policy"), /default-src 'none'/);
  t.match(await page.text(), /openapi\.json/);
});

/** As much of a document's tree as the page makes use of. */
class Node {
  textContent = "";
  readonly children: Node[] = [];
  append(...children: readonly (Node | string)[]): void {
    for (const child of children) {
      const node =
        typeof child === "string" ? Object.assign(new Node(), { textContent: child }) : child;
      this.children.push(node);
    }
  }
  get text(): string {
    return [this.textContent, ...this.children.map(({ text }) => text)].join(" ");
  }
}

t.test("the page shows every operation, and what it takes", async (t) => {
  const app = createApp(fakeCluster({}), () => false);
  const [, script = ""] =
    /<script>(.*)<\/script>/s.exec(await (await app.request("/docs")).text()) ?? [];
  const main = new Node();
  const made = { createElement: () => new Node(), querySelector: () => main };
  const asked: Promise<Response>[] = [];
  const fetch = (path: string): Promise<Response> => {
    const response = Promise.resolve(app.request(`/${path}`));
    asked.push(response);
    return response;
  };
  runInNewContext(script, { document: made, fetch });
  await asked[0];
  while (main.children.length === 0) await new Promise((resolve) => setImmediate(resolve));
  const { text } = main;
  for (const [path, methods] of Object.entries(paths)) {
    for (const [method, { summary }] of Object.entries(methods)) {
      t.match(text, new RegExp(`${method.toUpperCase()} .*${escaped(path)} .*${escaped(summary)}`));
    }
  }
  t.match(text, /language\s+string, in multipart\/form-data\s+the language that is spoken/);
  t.match(text, /application\/octet-stream\s+the body/);
  t.notMatch(text, /could not be read/);
});

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
