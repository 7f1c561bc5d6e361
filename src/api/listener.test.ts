import { once } from "node:events";
import { connect } from "node:net";
import t from "tap";
import { wholeReply } from "./http/whole-reply.ts";
import { Listener } from "./listener.ts";

t.test("who sends too slowly is cut off", async (t) => {
  const sending = { headersTimeoutMs: 500, requestTimeoutMs: 500, checkIntervalMs: 10 };
  const failures: unknown[] = [];
  const listener = await Listener.open(
    { host: "127.0.0.1", port: 0, variable: "PORT", sending },
    async (request: Request) => {
      await request.text().catch((error: unknown) => failures.push(error));
      return new Response("read");
    },
  );
  t.teardown(() => listener[Symbol.asyncDispose]());
  for (const beginning of [
    "POST / HTTP/1.1\r\nHost: lo",
    "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc",
  ]) {
    const socket = connect(Number(new URL(listener.url).port), "127.0.0.1");
    socket.on("error", () => {});
    const answer = socket.toArray();
    socket.write(beginning);
    if (!socket.closed) await once(socket, "close");
    t.match(Buffer.concat(await answer).toString(), /^HTTP\/1\.1 408 /, beginning);
  }
  await listener.idle({ signal: new AbortController().signal });
  t.equal(failures.length, 1, "whoever reads the body learns of it");
});

t.test(
  "a model's file may take its time, and other errors are told as Node tells them",
  async (t) => {
    const sending = { headersTimeoutMs: 500, requestTimeoutMs: 500, checkIntervalMs: 10 };
    const listener = await Listener.open(
      { host: "127.0.0.1", port: 0, variable: "PORT", sending },
      async (request: Request) => new Response(`read ${await request.text()}`),
    );
    t.teardown(() => listener[Symbol.asyncDispose]());
    const port = Number(new URL(listener.url).port);
    const slow = connect(port, "127.0.0.1");
    slow.write("POST /api/blobs/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\na");
    // Whoever is cut off meanwhile shows that the time is over.
    const other = connect(port, "127.0.0.1");
    other.on("error", () => {});
    other.write("POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\na");
    t.match(Buffer.concat(await other.toArray()).toString(), /^HTTP\/1\.1 408 /);
    slow.write("b");
    const [answer] = await once(slow, "data");
    t.match(String(answer), /^HTTP\/1\.1 200 /);
    slow.destroy();

    const wrong = connect(port, "127.0.0.1");
    wrong.write("nonsense\r\n\r\n");
    t.match(Buffer.concat(await wrong.toArray()).toString(), /^HTTP\/1\.1 400 /);
  },
);

t.test("the address that clients can call", async (t) => {
  for (const [host, url] of [
    ["127.0.0.1", /^http:\/\/127\.0\.0\.1:\d+$/],
    ["0.0.0.0", /^http:\/\/127\.0\.0\.1:\d+$/],
    ["localhost", /^http:\/\/localhost:\d+$/],
  ] as const) {
    const listener = await Listener.open({ host, port: 0, variable: "PORT" }, () => new Response());
    t.match(listener.url, url, host);
    await listener[Symbol.asyncDispose]();
  }
});

t.test("a whole reply looks like any other answer, also to HEAD", async (t) => {
  const text = '{"answer":"größer"}';
  const init = { status: 201, headers: { "Content-Type": "application/json", "X-Of-Ours": "1" } };
  const listener = await Listener.open(
    { host: "127.0.0.1", port: 0, variable: "PORT" },
    (request) =>
      new URL(request.url).pathname === "/whole"
        ? wholeReply(text, init)
        : new Response(text, init),
  );
  t.teardown(() => listener[Symbol.asyncDispose]());
  for (const method of ["GET", "HEAD", "POST"]) {
    const [whole, streamed] = await Promise.all(
      ["/whole", "/streamed"].map(async (path) => {
        const answer = await fetch(listener.url + path, { method });
        const { date: _date, ...headers } = Object.fromEntries(answer.headers);
        return { status: answer.status, headers, text: await answer.text() };
      }),
    );
    t.same(whole, streamed, method);
    t.equal(whole?.text, method === "HEAD" ? "" : text);
  }
});

t.test("who names no host means this one, as HTTP/1.0 has it", async (t) => {
  const listener = await Listener.open(
    { host: "127.0.0.1", port: 0, variable: "PORT" },
    async (request: Request) => new Response(new URL(request.url).hostname),
  );
  t.teardown(() => listener[Symbol.asyncDispose]());
  for (const request of [
    "GET / HTTP/1.0\r\n\r\n",
    "GET / HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n",
  ]) {
    const socket = connect(Number(new URL(listener.url).port), "127.0.0.1");
    socket.write(request);
    t.match(Buffer.concat(await socket.toArray()).toString(), /^HTTP\/1\.1 200 .*localhost/s);
  }
});
