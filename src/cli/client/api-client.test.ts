import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import t, { type Test } from "tap";
import { ApiClient, type Json, nodeUrl } from "./api-client.ts";

async function open(t: Test, answer: RequestListener, key?: string): Promise<ApiClient> {
  const server = createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => server.closeAllConnections());
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  return ApiClient.of({ OLLAMA_HOST: `127.0.0.1:${port}`, ...(key && { OLLAMA_API_KEY: key }) });
}

async function all(items: AsyncIterable<Json>): Promise<Json[]> {
  const got: Json[] = [];
  for await (const item of items) got.push(item);
  return got;
}

t.test("where a node is", (t) => {
  const rows = [
    ["", "http://127.0.0.1:11434"],
    ["example.com", "http://example.com:11434"],
    ["example.com:56789", "http://example.com:56789"],
    ["example.com:80", "http://example.com"],
    ["0.0.0.0", "http://127.0.0.1:11434"],
    ["0.0.0.0:9", "http://127.0.0.1:9"],
    ["[::]", "http://[::1]:11434"],
    ["[fe80::1]:1", "http://[fe80::1]:1"],
    ["http://example.com", "http://example.com"],
    ["https://example.com/", "https://example.com"],
    ["https://example.com:8443/llm/", "https://example.com:8443/llm"],
    [":11500", "http://127.0.0.1:11500"],
    ["::1", "http://[::1]:11434"],
    ["::", "http://[::1]:11434"],
    ["[::1]:1", "http://[::1]:1"],
    ['"127.0.0.1:5"', "http://127.0.0.1:5"],
    ["'example.com' ", "http://example.com:11434"],
    [" example.com:5 \t", "http://example.com:5"],
    ["HTTP://Example.com:5/a", "http://example.com:5/a"],
    ["http://", "http://127.0.0.1"],
  ] as const;
  for (const [text, url] of rows) t.equal(nodeUrl(text), url, text);
  const message = /^OLLAMA_HOST=.* is no address: it must be \[http:\/\/\]host/;
  for (const text of [
    "a b",
    "http://u:p@x",
    "x?y=1",
    "x/?y=1",
    "x:99999",
    "tcp://x",
    "x:y:z",
    "[x",
  ]) {
    t.throws(() => nodeUrl(text), { code: "USAGE", message }, text);
  }
  t.end();
});

t.test("what a node says, with the key where there is one", async (t) => {
  const client = await open(
    t,
    (request, response) =>
      response.end(JSON.stringify({ auth: request.headers.authorization ?? "" })),
    "omx_1",
  );
  t.same(await client.get("/api/tags"), { auth: "Bearer omx_1" });
  t.same(await client.send("DELETE", "/api/delete", { model: "m" }), { auth: "Bearer omx_1" });
});

t.test("a stream's objects come as they come", async (t) => {
  const seen = Promise.withResolvers<void>();
  const client = await open(t, async (_request, response) => {
    response.write('{"n":1}\n{"n"');
    await seen.promise;
    response.end(":2}\n");
  });
  const got: Json[] = [];
  for await (const item of client.stream("/api/chat", {})) {
    got.push(item);
    seen.resolve();
  }
  t.same(got, [{ n: 1 }, { n: 2 }]);
});

t.test("refusals and faults, each with what to do", async (t) => {
  interface Expected {
    readonly code: string;
    readonly message: string | RegExp;
    readonly status?: number;
  }
  const rows: readonly (readonly [RequestListener, Expected])[] = [
    [
      (_q, r) => r.writeHead(404).end('{"error":"model \'x\' not found"}'),
      {
        code: "NODE_REFUSED",
        status: 404,
        message: "model 'x' not found: `ollamamax list` lists those that there are",
      },
    ],
    [
      (_q, r) => r.writeHead(401).end('{"error":"a key is needed"}'),
      { code: "NODE_REFUSED", status: 401, message: "a key is needed (OLLAMA_API_KEY takes it)" },
    ],
    [
      (_q, r) => r.writeHead(404).end("404 page not found"),
      { code: "NODE_REFUSED", message: "404 page not found" },
    ],
    [(_q, r) => r.writeHead(502).end(), { code: "NODE_REFUSED", message: "502 Bad Gateway" }],
    [
      (_q, r) => r.end("<html>a router's page</html>"),
      { code: "NODE_STOPPED", message: /^what answers is no node: <html>/ },
    ],
    [
      (_q, r) => r.end('{"status":"a"}\n{"error":"disk full"}\n'),
      { code: "NODE_REFUSED", message: "disk full" },
    ],
    [
      (_q, r) => {
        r.write('{"status":"a"}\n');
        setImmediate(() => r.destroy());
      },
      { code: "NODE_STOPPED", message: /stopped in the middle \(other side closed\): try again$/ },
    ],
  ];
  for (const [answer, error] of rows) {
    const client = await open(t, answer);
    await t.rejects(all(client.stream("/api/pull", {})), error);
  }
  const plain = await open(t, (_q, r) => r.end("{}"));
  const https = ApiClient.of({ OLLAMA_HOST: plain.url.replace("http:", "https:") });
  await t.rejects(https.get("/api/tags"), {
    code: "NODE_UNREACHABLE",
    message: /^what answers at https:\S+ does not speak HTTPS: set OLLAMA_HOST to http:\S+$/,
  });
  const nobody = ApiClient.of({ OLLAMA_HOST: "127.0.0.1:9" });
  await t.rejects(nobody.get("/api/tags"), {
    code: "NODE_UNREACHABLE",
    message: /^no node answers at http:\/\/127\.0\.0\.1:9 .*ollamamax up/,
  });
});

t.test("whoever gives up is not told of a fault", async (t) => {
  const client = await open(t, (_request, response) => response.write('{"n":1}\n'));
  const leaving = new AbortController();
  await t.rejects(
    async () => {
      for await (const _item of client.stream("/api/chat", {}, leaving.signal)) leaving.abort();
    },
    { name: "AbortError" },
  );
});
