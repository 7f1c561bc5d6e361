import { existsSync, readdirSync, readFileSync } from "node:fs";
import { request } from "node:http";
import { connect, type Socket } from "node:net";
import path from "node:path";
import t, { type Test } from "tap";
import { ANSWER, LONG, MODEL, SKY } from "../clients/official-client.ts";
import { TestCluster, until } from "../fixtures/cluster.ts";
import { call } from "../fixtures/http.ts";

type Body = Record<string, unknown>;

const SHORT = { model: MODEL, prompt: "hi", stream: false, options: { num_predict: 2 } };
const CHAT = { model: MODEL, messages: [{ role: "user", content: SKY }] };
const nested = (depth: number): string => `${"[".repeat(depth)}${"]".repeat(depth)}`;

/** One request whose body goes out as it is. */
function send(method: string, url: string, body: string | Buffer | AsyncIterable<Buffer>) {
  return new Promise<{ readonly status: number; readonly text: string }>((resolve, reject) => {
    const isStream = typeof body === "object" && Symbol.asyncIterator in body;
    const headers = isStream
      ? { "Transfer-Encoding": "chunked" }
      : { "Content-Length": Buffer.byteLength(body) };
    let answered = false;
    const outgoing = request(url, { method, headers, agent: false }, (response) => {
      answered = true;
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() });
      });
    });
    // Whoever is refused in the middle of a body may find the connection closed.
    outgoing.on("error", (error) => answered || reject(error));
    if (!isStream) outgoing.end(body);
    else void pour(body, outgoing, () => answered);
  });
}

async function pour(
  body: AsyncIterable<Buffer>,
  outgoing: ReturnType<typeof request>,
  isAnswered: () => boolean,
): Promise<void> {
  for await (const bytes of body) {
    if (isAnswered() || outgoing.destroyed) return;
    await new Promise<void>((resolve) => outgoing.write(bytes, () => resolve()));
  }
  outgoing.end();
}

async function* megabytes(count: number): AsyncIterable<Buffer> {
  yield Buffer.from('{"model":"');
  for (let at = 0; at < count; at++) yield Buffer.alloc(1_000_000, "x");
}

/** A node is the first in its own list. */
function isIdle({ nodes }: Body): boolean {
  const [self] = nodes as { load: { running: number; queued: number } }[];
  return self?.load.running === 0 && self.load.queued === 0;
}

t.test("whatever is sent, the next client is answered", async (t) => {
  await using cluster = await TestCluster.open();
  await cluster.importDemo("holder");
  // With one slot, one that leaks is one too many.
  const env = { OLLAMA_NUM_PARALLEL: "1" };
  const daemons = ["holder", "other"].map((name) => cluster.start(name, env));
  const [holder, other] = await Promise.all(daemons.map((daemon) => daemon.ready()));
  if (!holder || !other) throw new Error("two were started");
  const urls = [holder.apiUrl, other.apiUrl];
  // The slots are there, and of its own a node tells what is, not what was gossiped.
  const idle = () => until(`${holder.apiUrl}/api/cluster/nodes`, isIdle);
  const named = (body: Body) => (body["models"] as unknown[]).length === 1;
  await until(`${other.apiUrl}/api/tags`, named);
  const post = (at: string, route: string, body: string | Buffer) =>
    send("POST", `${at}${route}`, body);
  /** No process has ended, no slot is taken, and a good question has its answer at both nodes. */
  const isWell = async (t: Test, what: string) => {
    for (const url of urls) {
      await idle();
      const asked = { ...CHAT, stream: false, options: { temperature: 0 } };
      const { text } = await call(`${url}/api/chat`, asked);
      t.equal((JSON.parse(text) as { message: { content: string } }).message.content, ANSWER, what);
    }
    t.ok(
      daemons.every(({ child }) => child.exitCode === null && child.signalCode === null),
      `${what}: both run`,
    );
  };
  await isWell(t, "at first");

  await t.test("bodies", async (t) => {
    const routes = ["generate", "chat", "embed", "embeddings", "show", "pull", "push", "create"];
    for (const route of [...routes, "copy"].map((name) => `/api/${name}`)) {
      for (const body of ['{"model":"', "{", "nul", '{"a":1', `{"messages":${nested(20_000)}`]) {
        const { status, text } = await post(holder.apiUrl, route, body);
        t.equal(status, 400, `${route} ${body.slice(0, 20)}`);
        t.type((JSON.parse(text) as Body)["error"], "string");
      }
      // Nobody listens there.
      const rest = `"model":"127.0.0.1:1/a/b","stream":false`;
      const deep = await post(holder.apiUrl, route, `{${rest},"x":${nested(9_000)}}`);
      t.ok(deep.status >= 400, `${route}: 9,000 deep: ${deep.status}`);
    }
    for (const field of ["format", "options", "tools", "messages"]) {
      const body = `{"model":"${MODEL}","prompt":"hi","${field}":${nested(600)}}`;
      t.same(await post(other.apiUrl, "/api/chat", body), {
        ...{ status: 400, text: '{"error":"exceeded max depth"}' },
      });
    }
    const { status, text } = await post(
      other.apiUrl,
      "/api/generate",
      Buffer.concat([
        Buffer.from(`{"model":"${MODEL}","stream":false,"options":{"num_predict":1},"prompt":"`),
        Buffer.from([0xff, 0xc3, 0x28, 0xed, 0xa0, 0x80]),
        Buffer.from('\\ud800"}'),
      ]),
    );
    t.equal(status, 200, `no UTF-8: ${text}`);
    const name = await post(other.apiUrl, "/api/show", Buffer.from('{"model":"\xff"}', "latin1"));
    t.equal(name.status, 400, name.text);
    for (const url of urls) {
      const large = await send("POST", `${url}/api/chat`, megabytes(100)).catch(() => undefined);
      t.ok(large === undefined || large.status === 413, `100 MB in pieces: ${large?.status}`);
    }
    const announced = await announce(holder.apiUrl, 100_000_000);
    t.match(announced, /^HTTP\/1\.1 413 /, "100 MB announced: nobody waits for them");
    await isWell(t, "after bodies");
  });

  await t.test("names and digests that lead elsewhere", async (t) => {
    const before = readdirSync(cluster.dataDir("holder")).sort();
    const names = ["..", "../x", "a/../../b", "%2e%2e/x", "/etc/passwd", "a\u0000b", "x:..", "~"];
    for (const model of [...names, "x".repeat(10_000), "a/b/c/d/e", "\u202e"]) {
      for (const route of ["generate", "chat", "show", "embed", "pull", "create"]) {
        const asked = { model, name: model, from: MODEL, prompt: "hi", input: "hi", stream: false };
        const { status, text } = await call(`${holder.apiUrl}/api/${route}`, asked);
        t.ok(status === 400 || status === 404, `${route} ${model.slice(0, 20)}: ${status} ${text}`);
      }
      const id = encodeURIComponent(model);
      const { status } = await call(`${holder.apiUrl}/v1/models/${id}`);
      t.ok([400, 404, 431].includes(status), `model ${model.slice(0, 20)}: ${status}`);
    }
    for (const digest of ["../../x", "sha256:../../x", "sha256:%2e%2e%2fx", "sha256-..", "x\\y"]) {
      for (const method of ["HEAD", "POST"]) {
        const { status } = await send(method, `${holder.apiUrl}/api/blobs/${digest}`, "");
        t.ok([400, 404].includes(status), `${method} ${digest}: ${status}`);
      }
    }
    t.same(readdirSync(cluster.dataDir("holder")).sort(), before);
    t.notOk(readdirSync(path.dirname(cluster.dataDir("holder"))).includes("x"));
    await isWell(t, "after names");
  });

  await t.test("schemas", async (t) => {
    const runners = childrenOf(daemons[0]?.child.pid);
    for (const [what, format, status] of SCHEMAS) {
      const answer = await post(
        other.apiUrl,
        "/api/generate",
        JSON.stringify({ ...SHORT, format }),
      );
      t.equal(answer.status, status, `${what}: ${answer.text.slice(0, 200)}`);
    }
    t.equal(childrenOf(daemons[0]?.child.pid), runners, "no runner was lost for them");
    await isWell(t, "after schemas");
  });

  await t.test("numbers", async (t) => {
    for (const name of ["num_keep", "seed", "top_k", "repeat_last_n", "num_predict", ...FLOATS]) {
      for (const value of ["-1", "-2147483649", "2147483648", "0.5", "1e308", "-1e308", "1e999"]) {
        const options = `{"num_predict":2,"num_ctx":1024,"${name}":${value}}`;
        const body = `{"model":"${MODEL}","prompt":"hi","stream":false,"options":${options}}`;
        const { status, text } = await post(other.apiUrl, "/api/generate", body);
        const isRefused = status === 500 && text.includes(`option \\"${name}\\" must be of type`);
        t.ok(status === 200 || isRefused, `${name} ${value}: ${status} ${text.slice(0, 200)}`);
      }
    }
    for (const [route, fields] of NUMBERS) {
      const body = `{"model":"${MODEL}","prompt":"hi","input":"hi","stream":false,"options":{"num_predict":1},${fields}}`;
      const { status, text } = await post(other.apiUrl, route, body);
      t.ok(status === 200 || status === 400, `${route} ${fields}: ${status} ${text.slice(0, 200)}`);
    }
    await isWell(t, "after numbers");
  });

  await t.test("clients that go, after each step", async (t) => {
    const text = JSON.stringify({ ...CHAT, format: LONG });
    const head = `POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${text.length}\r\n\r\n`;
    for (const url of urls) {
      for (const sent of ["", "POST /api/ch", head, head + text.slice(0, 40), head + text]) {
        const socket = await socketTo(url);
        socket.write(sent);
        // Another's answer tells that it was read.
        await call(`${url}/api/version`);
        socket.destroy();
        await idle();
      }
      for (const wanted of ["HTTP/1.1 200", '"done":false', "replica replica"]) {
        const socket = await socketTo(url);
        let seen = "";
        const found = new Promise<void>((resolve) => {
          socket.on("data", (chunk: Buffer) => {
            seen += chunk.toString();
            if (seen.includes(wanted) || seen.length > 4_000) resolve();
          });
        });
        socket.write(head + text);
        await found;
        socket.destroy();
        await idle();
      }
      // While the model is loaded.
      await call(`${url}/api/generate`, { model: MODEL, keep_alive: 0 });
      const socket = await socketTo(url);
      socket.write(head + text);
      // By its answer the node has taken what was sent before.
      await call(`${url}/api/version`);
      socket.destroy();
      await idle();
    }
    await isWell(t, "after they have gone");
  });
});

/** The process ids of its runners, where the system tells them. */
function childrenOf(pid = 0): string {
  const file = `/proc/${pid}/task/${pid}/children`;
  return existsSync(file) ? readFileSync(file, "utf8") : "";
}

async function socketTo(url: string): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  socket.on("error", () => {});
  await new Promise<void>((resolve) => socket.once("connect", () => resolve()));
  return socket;
}

async function announce(url: string, bytes: number): Promise<string> {
  const socket = await socketTo(url);
  let text = "";
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  socket.write(
    `POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${bytes}\r\nConnection: close\r\n\r\n`,
  );
  await new Promise((resolve) => socket.once("close", resolve));
  return text;
}

const FLOATS = ["temperature", "top_p", "min_p", "repeat_penalty", "presence_penalty"];

const NUMBERS: readonly (readonly [route: string, fields: string])[] = [
  ["/api/generate", '"top_logprobs":1e308'],
  ["/api/generate", '"top_logprobs":-1'],
  ["/api/generate", '"context":[-1,1000000000]'],
  ["/api/generate", `"context":[${Array(5_000).fill(5)}]`],
  ["/api/generate", '"keep_alive":1e308'],
  ["/api/generate", '"keep_alive":"99999999999h"'],
  ["/api/embed", '"dimensions":-1'],
  ["/api/embed", '"dimensions":1e308'],
  ["/api/embed", '"dimensions":9007199254740993'],
];

const repeated = (depth: number, wrap: (inner: object) => object): object => {
  let schema: object = { type: "string" };
  for (let at = 0; at < depth; at++) schema = wrap(schema);
  return schema;
};

const SCHEMAS: readonly (readonly [what: string, format: object, status: number])[] = [
  ["a billion items", { type: "array", minItems: 1e9, items: { type: "string" } }, 200],
  ["fewer than no items", { type: "array", minItems: -1, maxItems: -5, items: {} }, 200],
  [
    "500 to the sixth",
    repeated(6, (items) => ({ type: "array", minItems: 500, maxItems: 500, items })),
    200,
  ],
  ["a long text", { type: "string", minLength: 1e9, maxLength: 1e12 }, 200],
  ["many words", { enum: Array.from({ length: 100_000 }, (_, at) => `v${at}`) }, 500],
  ["many choices", repeated(12, (inner) => ({ anyOf: [inner, inner, inner] })), 500],
  ["a deep one", repeated(100, (a) => ({ type: "object", properties: { a } })), 500],
  ["a very deep one", repeated(2_000, (a) => ({ type: "object", properties: { a } })), 400],
  ["itself", { $ref: "#" }, 500],
  ["in a circle", { $defs: { a: { $ref: "#/$defs/a" } }, $ref: "#/$defs/a" }, 500],
  ["without end", { $defs: { a: { items: { $ref: "#/$defs/a" } } }, $ref: "#/$defs/a" }, 200],
  ["elsewhere", { $ref: "http://127.0.0.1:1/x" }, 500],
  ["a slow pattern", { type: "string", pattern: "(a+)+$" }, 200],
  ["a type that is none", { type: {} }, 500],
  ["nothing to choose from", { enum: [] }, 500],
];
