import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import net, { type AddressInfo } from "node:net";
import path from "node:path";
import tls from "node:tls";
import t, { type Test } from "tap";
import { KEY, NUMBERS, TestNode, WAITING } from "../../test/fixtures/caches.ts";
import { TestAuthority } from "../../test/fixtures/certificates.ts";
import { Door } from "../../test/fixtures/door.ts";
import { NO_REDIS, RedisServer } from "../../test/fixtures/redis.ts";
import { tempFolder } from "../../test/fixtures/temp-folder.ts";
import { until } from "../../test/fixtures/until.ts";
import { systemClock } from "../core/clock.ts";
import { silentLog } from "../core/log.ts";
import { systemRandom } from "../core/random.ts";
import type { RedisOptions } from "./options.ts";
import { TieredCache } from "./tiered-cache.ts";

const AWAY = "warn: cache is away; going on without it";
const BACK = "info: cache is back";

const [, , task] = process.argv;
if (task) await useCacheForParent(JSON.parse(task) as RedisOptions);
else t.test("the way to Redis", { skip: NO_REDIS }, suite);

async function suite(t: Test): Promise<void> {
  t.test("a Redis that is away costs nothing, and is found again", async (t) => {
    const server = await RedisServer.open(t);
    const node = await TestNode.open(t, server.options);
    t.equal(await node.get(1), 1);
    await server.stop();
    await node.disconnected();
    node.forgetCopies();
    t.equal(await node.get(2), 2);
    await node.cache.invalidate(NUMBERS, KEY.scope);
    t.equal(await node.get(3), 3);
    await until(() =>
      /cannot be reached \(ECONNREFUSED\): start it/.test(node.cache.redis?.problem ?? ""),
    );
    await t.rejects(node.cache.redis?.ping(WAITING) ?? Promise.resolve(), {
      code: "REDIS_UNREACHABLE",
    });
    t.equal(await node.metric("ollamamax_cache_reachable"), 0);
    t.ok((await node.metric('ollamamax_cache_skipped_total{command="read"}')) >= 2);
    await server.start();
    await node.connected();
    await node.cache.redis?.ping(WAITING);
    t.equal(node.cache.redis?.problem, undefined);
    t.equal(await node.get(4), 4);
    t.strictSame(node.texts(), [AWAY, BACK], "each told once, however often it was dialled");
  });

  t.test("a Redis that is away at the start changes nothing", async (t) => {
    const server = await RedisServer.open(t);
    await server.stop();
    const node = new TestNode(t, server.options);
    t.equal(await node.get(1), 1);
    await until(() => node.texts().length > 0);
    t.equal(await node.get(2), 1, "it is kept in memory");
    await server.start();
    await node.connected();
    t.strictSame(node.texts(), [AWAY, BACK]);
  });

  t.test("what a server holds after a restart is not believed", async (t) => {
    const server = await RedisServer.open(t);
    const node = await TestNode.open(t, server.options);
    using admin = server.connect();
    t.equal(await node.get(1), 1);
    const kept = async () => (await admin.redis.keys("*")).filter((key) => !/probe$/.test(key));
    await until(async () => (await kept()).length === 3);
    await admin.redis.save();
    await node.cache.invalidate(NUMBERS, KEY.scope);
    await server.stop();
    await node.disconnected();
    await server.start();
    t.equal((await kept()).length, 3, "it holds what it held before the change");
    await node.connected();
    t.equal(await node.get(2), 2);
  });

  t.test(
    "right after an outage nothing is read: others may still have changes to tell",
    async (t) => {
      const server = await RedisServer.open(t);
      const node = new TestNode(t, server.options);
      await until(() => node.cache.redis?.reachable ?? false);
      t.equal(await node.get(1), 1);
      t.equal(await node.metric('ollamamax_cache_skipped_total{command="read"}'), 1);
      await node.connected();
      t.equal(await node.get(2), 2);
      t.equal(await node.metric('ollamamax_cache_skipped_total{command="read"}'), 1);
    },
  );

  t.test("a Redis that stands still is left alone until it moves again", async (t) => {
    const server = await RedisServer.open(t);
    const node = await TestNode.open(t, { ...server.options, answerTimeoutMs: 100 });
    t.teardown(() => server.thaw());
    server.freeze();
    for (let made = 1; made <= 5; made++) {
      node.forgetCopies();
      t.equal(await node.get(made), made);
    }
    await node.cache.invalidate(NUMBERS, KEY.scope);
    await node.disconnected();
    await until(() => /does not answer within 1000 ms/.test(node.cache.redis?.problem ?? ""));
    await t.rejects(node.cache.redis?.ping(WAITING) ?? Promise.resolve(), { code: "REDIS_SILENT" });
    server.thaw();
    await node.connected();
    t.match(node.texts(), [AWAY]);
  });

  t.test("a network that loses everything, and connections that are cut", async (t) => {
    const server = await RedisServer.open(t);
    await using door = await Door.open(server.port);
    const node = await TestNode.open(t, {
      ...server.options,
      port: door.port,
      answerTimeoutMs: 100,
    });
    for (const disturb of [
      () => door.cut("close"),
      () => door.cut("reset"),
      () => door.silence(),
    ]) {
      disturb();
      await node.disconnected();
      t.equal(await node.get(1), 1);
      door.endSilence();
      await node.connected();
    }
  });

  t.test("what is wrong is said with the next step, and mended without a restart", async (t) => {
    const server = await RedisServer.open(t);
    using admin = server.connect();
    const rows: readonly [string, mend: string, problem: RegExp][] = [
      ["requirepass secret", "requirepass ", /refuses the password: check OLLAMA_REDIS_PASSWORD/],
      ["maxmemory 1", "maxmemory 0", /refuses a command \(OOM .*\): look after the server/],
    ];
    for (const [setting, mend, problem] of rows) {
      await admin.redis.config("SET", ...words(setting));
      const node = new TestNode(t, server.options);
      await until(() => problem.test(node.cache.redis?.problem ?? ""));
      t.equal(await node.get(1), 1, setting);
      await admin.redis.config("SET", ...words(mend));
      await node.connected();
      t.strictSame(node.texts(), [AWAY, BACK], setting);
    }
  });

  t.test("passwords", async (t) => {
    const server = await RedisServer.open(t, ["--requirepass", "secret word"]);
    const right = await TestNode.open(t, { ...server.options, password: "secret word" });
    t.strictSame(right.texts(), []);
    for (const password of ["wrong", "", undefined]) {
      const node = new TestNode(t, { ...server.options, password });
      await until(() => node.texts().length > 0);
      t.match(node.cache.redis?.problem, /refuses the password: check OLLAMA_REDIS_PASSWORD/);
      t.notMatch(JSON.stringify(node.log.lines), /wrong/, "no password is told");
    }
    const open = await RedisServer.open(t);
    const needless = await TestNode.open(t, { ...open.options, password: "needless" });
    t.strictSame(needless.texts(), [], "a server that wants none takes any");
  });

  t.test("an address where no Redis is", async (t) => {
    const rows: readonly [greet: (socket: net.Socket) => void, problem: RegExp][] = [
      [(socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"), /no Redis answers there/],
      [
        (socket) => socket.destroy(),
        /cannot be reached \((the connection was closed|ECONNRESET)\)/,
      ],
      [() => {}, /does not answer within 1000 ms/],
    ];
    for (const [greet, problem] of rows) {
      const port = await listen(t, greet);
      const options = { host: "127.0.0.1", port, password: undefined, tls: false };
      const node = new TestNode(t, { ...options, answerTimeoutMs: 100 });
      await until(() => problem.test(node.cache.redis?.problem ?? ""));
      t.equal(await node.get(1), 1);
    }
  });

  t.test("TLS", async (t) => {
    const authority = new TestAuthority();
    const before = tls.getCACertificates("default");
    t.teardown(() => tls.setDefaultCACertificates(before));
    const folder = tempFolder(t);
    const { certificate, key } = authority.issue(["localhost", "127.0.0.1"]);
    const files = {
      "--tls-cert-file": certificate,
      "--tls-key-file": key,
      "--tls-ca-cert-file": authority.certificate,
    };
    const settings = Object.entries(files).flatMap(([setting, text]) => {
      const file = path.join(folder, setting.slice(2));
      writeFileSync(file, text);
      return [setting, file];
    });
    const server = await RedisServer.open(t, [...settings, "--tls-auth-clients", "no"], "tls");
    const options = { ...server.options, tls: true };
    const stranger = new TestNode(t, options);
    await until(() => /no TLS .*NODE_EXTRA_CA_CERTS/.test(stranger.cache.redis?.problem ?? ""));
    const plain = new TestNode(t, server.options);
    await until(() => /OLLAMA_REDIS_TLS/.test(plain.cache.redis?.problem ?? ""));
    tls.setDefaultCACertificates([...before, authority.certificate]);
    await stranger.connected();
    t.strictSame(stranger.texts(), [AWAY, BACK]);
  });

  t.test("a process that has disposed of its cache ends by itself, however Redis is", async (t) => {
    const server = await RedisServer.open(t);
    await using door = await Door.open(server.port);
    const states: readonly [string, () => unknown][] = [
      ["well", () => {}],
      ["silent", () => door.silence()],
      ["away", () => server.stop()],
    ];
    for (const [name, enter] of states) {
      const child = fork(import.meta.filename, [
        JSON.stringify({ ...server.options, port: door.port }),
      ]);
      await said(child, "used");
      await enter();
      child.send("close");
      t.same(await once(child, "exit"), [0, null], name);
    }
  });
}

function words(setting: string): [string, string] {
  const [name = "", value = ""] = setting.split(" ");
  return [name, value];
}

/** A server that speaks no Redis. */
async function listen(t: Test, greet: (socket: net.Socket) => void): Promise<number> {
  const sockets = new Set<net.Socket>();
  const strange = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).resume();
    greet(socket);
  });
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    strange.close();
  });
  strange.listen(0, "127.0.0.1");
  await once(strange, "listening");
  return (strange.address() as AddressInfo).port;
}

async function said(child: ChildProcess, word: string): Promise<void> {
  for (;;) if ((await once(child, "message"))[0] === word) return;
}

async function useCacheForParent(redis: RedisOptions): Promise<void> {
  const deps = { clock: systemClock, random: systemRandom, log: silentLog };
  const cache = TieredCache.open({ redis }, deps);
  await cache.wrap(NUMBERS, KEY, async () => 1, WAITING);
  process.send?.("used");
  await once(process, "message");
  await cache[Symbol.asyncDispose]();
  process.disconnect();
}
