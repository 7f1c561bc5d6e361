import { once } from "node:events";
import { connect } from "node:net";
import t from "tap";
import { Listener } from "./listener.ts";

t.test("who sends too slowly is cut off", async (t) => {
  const sending = { headersTimeoutMs: 20, requestTimeoutMs: 20, checkIntervalMs: 5 };
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
