import { spawn } from "node:child_process";
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { connect, type Socket } from "node:net";
import { setImmediate } from "node:timers/promises";
import t, { type Test } from "tap";
import { type FakeCluster, fakeCluster, type Script } from "../../test/fixtures/fake-cluster.ts";
import { call, ndjson } from "../../test/fixtures/http.ts";
import { Api } from "./api.ts";

const CHAT = { model: "llama", messages: [{ role: "user", content: "hi" }] };
const END = { reason: "stop", promptTokens: 1, tokens: 1, promptMs: 1, outputMs: 1 } as const;
const ANY_TIME = new AbortController().signal;

async function open(t: Test, cluster: FakeCluster): Promise<Api> {
  const api = await Api.open(cluster.options, cluster);
  t.teardown(() => api[Symbol.asyncDispose]());
  return api;
}

/** A request whose answer the test reads itself. */
async function start(url: string, body: unknown): Promise<IncomingMessage> {
  const outgoing = request(url, { method: "POST", agent: false });
  outgoing.end(JSON.stringify(body));
  const [response] = (await once(outgoing, "response")) as [IncomingMessage];
  response.on("error", () => {});
  return response;
}

/** Sends these bytes as they are. */
async function socketTo(url: string, text: string): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  socket.on("error", () => {});
  await once(socket, "connect");
  socket.write(text);
  return socket;
}

async function textOf(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  await new Promise((resolve) => socket.once("close", resolve));
  return Buffer.concat(chunks).toString();
}

/** An engine that begins as told, and then waits until it is left; resolves to why. */
function waitingScript(pieces: number): {
  readonly script: Script;
  readonly left: Promise<unknown>;
} {
  const { promise: left, resolve } = Promise.withResolvers<unknown>();
  const script: Script = async function* (_request, signal) {
    for (let piece = 0; piece < pieces; piece++) yield { type: "text", text: "a", tokens: 1 };
    if (!signal.aborted) await once(signal, "abort");
    resolve(signal.reason);
    throw signal.reason;
  };
  return { script, left };
}

t.test("a client that goes stops the engine, and is no failure", async (t) => {
  for (const stream of [true, false]) {
    for (const pieces of [0, 1, 3]) {
      const what = `stream ${stream}, ${pieces} pieces`;
      const cluster = fakeCluster();
      const api = await open(t, cluster);
      const { script, left } = waitingScript(pieces);
      const asked = Promise.withResolvers<void>();
      cluster.inference.script = (request, signal) => {
        asked.resolve();
        return script(request, signal);
      };
      const outgoing = request(`${api.url}/api/chat`, { method: "POST", agent: false });
      outgoing.on("error", () => {});
      outgoing.end(JSON.stringify({ ...CHAT, stream }));
      await asked.promise;
      if (stream && pieces > 0) {
        const [response] = (await once(outgoing, "response")) as [IncomingMessage];
        response.on("error", () => {});
        await once(response, "data");
      }
      outgoing.destroy();
      const reason = await left;
      t.equal(reason instanceof DOMException && reason.name, "AbortError", what);
      await api.drain({ signal: ANY_TIME });
      await setImmediate();
      t.strictSame(
        cluster.log.lines.filter(({ level }) => level !== "debug"),
        [],
        what,
      );
    }
  }
});

t.test("a client that goes while it sends is forgotten", async (t) => {
  const cluster = fakeCluster();
  const api = await open(t, cluster);
  const socket = await socketTo(
    api.url,
    'POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n{"model":"lla',
  );
  // Another request's answer tells that the first one's beginning has been read.
  await call(`${api.url}/api/version`);
  socket.destroy();
  await api.drain({ signal: ANY_TIME });
  t.strictSame(cluster.inference.generated, []);
  t.strictSame(
    cluster.log.lines.filter(({ level }) => level !== "debug"),
    [],
  );
});

t.test("each line goes out as it comes, in a chunk of its own", async (t) => {
  const cluster = fakeCluster();
  const api = await open(t, cluster);
  const next = Promise.withResolvers<void>();
  cluster.inference.script = async function* () {
    yield { type: "text", text: "a", tokens: 1 };
    await next.promise;
    yield { type: "text", text: "b", tokens: 1 };
    yield { type: "end", ...END };
  };
  const response = await start(`${api.url}/api/chat`, CHAT);
  t.equal(response.headers["transfer-encoding"], "chunked");
  t.equal(response.headers["content-type"], "application/x-ndjson");
  t.ok(response.headers["x-request-id"]);
  const [first] = (await once(response, "data")) as [Buffer];
  t.match(ndjson(first.toString()), [{ message: { content: "a" }, done: false }]);
  next.resolve();
  const rest = Buffer.concat(await response.toArray()).toString();
  t.match(ndjson(rest), [{ message: { content: "b" } }, { done: true }]);
  // Also when all is there at once.
  cluster.inference.script = async function* () {
    yield { type: "end", ...END };
  };
  const short = await start(`${api.url}/api/chat`, CHAT);
  t.equal(short.headers["transfer-encoding"], "chunked");
  t.equal((await short.toArray()).length, 1);
});

t.test("a slow reader holds up only itself, and little memory", async (t) => {
  const cluster = fakeCluster();
  const api = await open(t, cluster);
  const piece = "x".repeat(65_536);
  const piecesMax = 1_024;
  let pieces = 0;
  let left = false;
  cluster.inference.script = async function* () {
    try {
      for (;;) {
        pieces++;
        yield { type: "text", text: piece, tokens: 1 };
      }
    } finally {
      left = true;
    }
  };
  const slow = await start(`${api.url}/api/chat`, CHAT);
  // The others' answers are the clock: nothing more was made for the slow one during fifty of them.
  let quiet = 0;
  for (let seen = 0; quiet < 50 && pieces < piecesMax; seen = pieces) {
    t.equal((await call(`${api.url}/api/version`)).status, 200);
    quiet = pieces === seen ? quiet + 1 : 0;
  }
  t.ok(pieces < piecesMax, `${pieces} pieces of 64 KiB lie in buffers, most of them the system's`);
  const before = pieces;
  while (pieces < before + 50) await once(slow, "data");
  t.pass("it goes on when it reads on");
  slow.destroy();
  await api.drain({ signal: ANY_TIME });
  t.ok(left);
});

t.test("draining: what runs may end, what comes is sent away", async (t) => {
  const cluster = fakeCluster();
  const api = await open(t, cluster);
  const end = Promise.withResolvers<void>();
  cluster.inference.script = async function* () {
    yield { type: "text", text: "a", tokens: 1 };
    await end.promise;
    yield { type: "end", ...END };
  };
  const running = await start(`${api.url}/api/chat`, CHAT);
  let drained = false;
  const drain = api.drain({ signal: ANY_TIME }).then(() => {
    drained = true;
  });
  for (const url of [api.url, api.webUrl]) {
    const refused = await call(`${url}/api/chat`, CHAT);
    t.equal(refused.status, 503);
    t.equal((await call(`${url}/health/%2e%2e/api/chat`, CHAT)).status, 503, "by another way");
    t.equal(refused.headers.connection, "close");
    t.equal(refused.headers["retry-after"], "5");
    t.equal((await call(`${url}/health/ready`)).status, 503);
    t.equal((await call(`${url}/health/live`)).status, 200);
  }
  t.notOk(drained);
  end.resolve();
  t.match(ndjson(Buffer.concat(await running.toArray()).toString()).at(-1), { done: true });
  await drain;
  t.ok(drained);
});

t.test("draining ends when its time is up", async (t) => {
  const cluster = fakeCluster();
  const api = await open(t, cluster);
  const { script, left } = waitingScript(1);
  cluster.inference.script = script;
  const running = await start(`${api.url}/api/chat`, CHAT);
  const timeUp = new AbortController();
  const drain = api.drain({ signal: timeUp.signal });
  timeUp.abort();
  await drain;
  await api[Symbol.asyncDispose]();
  await left;
  await t.rejects(running.toArray(), { code: "ECONNRESET" });
});

t.test("bodies that are too large are refused while they are sent", async (t) => {
  const cluster = fakeCluster({ options: { bodyBytesMax: 1_048_576 } });
  const api = await open(t, cluster);
  const refusal = '{"error":"request body too large: at most 1 MiB are accepted"}';
  const announced = await socketTo(
    api.url,
    "POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\nConnection: close\r\n\r\n",
  );
  const told = await textOf(announced);
  t.match(told, /^HTTP\/1\.1 413 /);
  t.ok(told.endsWith(refusal));
  const chunk = `10000\r\n${"x".repeat(65_536)}\r\n`;
  const chunked = await socketTo(
    api.url,
    `POST /api/chat HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n${chunk.repeat(48)}0\r\n\r\n`,
  );
  const toldToo = await textOf(chunked);
  t.match(toldToo, /^HTTP\/1\.1 413 /);
  t.ok(toldToo.endsWith(refusal));
  t.equal((await call(`${api.url}/api/version`)).status, 200);
  t.strictSame(cluster.inference.generated, []);
});

t.test("odd requests", async (t) => {
  const api = await open(t, fakeCluster());
  const long = "a".repeat(20_000);
  const rows: readonly (readonly [line: string, status: number, body: string])[] = [
    ["GET /api/version?x=%zz", 200, '{"version":"0.33.0"}'],
    // What a browser would ask for: every later decision sees the plain path.
    ["GET /health/%2e%2e/api/version", 200, '{"version":"0.33.0"}'],
    ["GET /health/../api/version", 200, '{"version":"0.33.0"}'],
    ["GET /api%2fversion", 404, "404 page not found"],
    ["GET /%", 404, "404 page not found"],
    ["GET /api/tags%2f", 404, "404 page not found"],
    ["GET /%00", 404, "404 page not found"],
    ["GET //evil.com/api/tags/", 404, "404 page not found"],
    [`GET /${long}`, 404, "404 page not found"],
    [`GET /api/version?${long}`, 200, '{"version":"0.33.0"}'],
    [`GET /${"a".repeat(70_000)}`, 431, ""],
    ["HEAD /", 200, ""],
    ["HEAD /api/tags", 200, ""],
    ["HEAD /api/ps", 405, ""],
    ["BREW /", 400, ""],
    // Nothing, in chunks.
    ["OPTIONS *", 400, "0\r\n\r\n"],
  ];
  for (const [line, status, body] of rows) {
    const what = line.slice(0, 50);
    const socket = await socketTo(
      api.url,
      `${line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
    );
    const [head = "", ...rest] = (await textOf(socket)).split("\r\n\r\n");
    t.equal(Number(head.split(" ")[1]), status, what);
    t.equal(rest.join("\r\n\r\n"), body, what);
  }
  const noHost = await socketTo(api.url, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
  t.match(await textOf(noHost), /^HTTP\/1\.1 400 /);
  const evil = await socketTo(
    api.url,
    "GET / HTTP/1.1\r\nHost: evil.com\r\nConnection: close\r\n\r\n",
  );
  t.match(await textOf(evil), /^HTTP\/1\.1 403 /);
});

t.test("the dashboard has a port of its own, and the API beside it", async (t) => {
  const api = await open(t, fakeCluster());
  const page = await call(`${api.webUrl}/`);
  t.equal(page.headers["content-type"], "text/html; charset=utf-8");
  t.match(page.headers["content-security-policy"], /default-src 'none'/);
  t.match(page.text, /^<!doctype html>/);
  t.equal((await call(`${api.webUrl}/api/version`)).text, '{"version":"0.33.0"}');
  t.equal((await call(`${api.url}/`)).text, "Ollama is running");
  t.equal((await call(`${api.webUrl}/nowhere`)).status, 404);
});

t.test("a taken port is told with the setting that changes it", async (t) => {
  const cluster = fakeCluster();
  const taken = await open(t, cluster);
  const port = Number(new URL(taken.url).port);
  await t.rejects(Api.open({ ...cluster.options, port }, cluster), {
    code: "PORT_TAKEN",
    message: new RegExp(`port ${port} is in use on 127.0.0.1.*OLLAMA_API_PORT`),
  });
  await t.rejects(Api.open({ ...cluster.options, webPort: port }, cluster), {
    code: "PORT_TAKEN",
    message: /OLLAMA_WEB_PORT/,
  });
  await t.rejects(Api.open({ ...cluster.options, host: "192.0.2.1" }, cluster), {
    code: "ADDRESS_UNUSABLE",
    message: /192\.0\.2\.1:0 \(EADDRNOTAVAIL\)/,
  });
});

t.test(
  "the process ends by itself once all is disposed, also with clients connected",
  async (t) => {
    const here = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);
    const program = `
    import { once } from "node:events";
    import { connect } from "node:net";
    import { Api } from ${here("./api.ts")};
    import { fakeCluster } from ${here("../../test/fixtures/fake-cluster.ts")};
    const cluster = fakeCluster();
    const api = await Api.open(cluster.options, cluster);
    const kept = connect(Number(new URL(api.url).port), "127.0.0.1");
    kept.write("GET / HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n");
    await once(kept, "data");
    await api.drain({ signal: AbortSignal.timeout(600_000) });
    await api[Symbol.asyncDispose]();
    console.log("disposed");
  `;
    const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const output = child.stdout.toArray();
    const [code] = await once(child, "close");
    t.equal(code, 0);
    t.equal(Buffer.concat(await output).toString(), "disposed\n");
  },
);
