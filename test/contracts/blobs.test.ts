import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { request } from "node:http";
import path from "node:path";
import t, { type Test } from "tap";
import { Api } from "../../src/api/api.ts";
import { createApp } from "../../src/api/app.ts";
import { ModelStore } from "../../src/blobs/model-store.ts";
import { systemClock } from "../../src/core/clock.ts";
import { AppError } from "../../src/core/errors.ts";
import { silentLog } from "../../src/core/log.ts";
import { fakeCluster, LogOfLines } from "../fixtures/fake-cluster.ts";
import { snapshot } from "../fixtures/ollama-folder.ts";
import { tempFolder } from "../fixtures/temp-folder.ts";

const BYTES = Buffer.alloc(3_000_000, "blob");
const DIGEST = `sha256:${createHash("sha256").update(BYTES).digest("hex")}`;
const NONE = `sha256:${"0".repeat(64)}`;

async function open(t: Test) {
  const dir = path.join(tempFolder(t), "models");
  const store = await ModelStore.open({ dir }, { clock: systemClock, log: silentLog });
  t.teardown(() => store[Symbol.asyncDispose]());
  const cluster = fakeCluster({ blobs: store });
  return { dir, cluster, app: createApp(cluster, () => false) };
}

t.test("a blob comes, is there, and comes again", async (t) => {
  const { app, dir } = await open(t);
  const at = `/api/blobs/${DIGEST}`;
  t.equal((await app.request(at, { method: "HEAD" })).status, 404);
  const headers = { "Content-Type": "application/json" };
  const made = await app.request(at, { method: "POST", body: BYTES, headers });
  t.equal(made.status, 201);
  t.equal(await made.text(), "");
  t.same(readdirSync(path.join(dir, "blobs")), [DIGEST.replace(":", "-")]);
  t.ok(readFileSync(path.join(dir, "blobs", DIGEST.replace(":", "-"))).equals(BYTES));
  t.equal((await app.request(at, { method: "HEAD" })).status, 200);
  const again = `/api/blobs/sha256-${DIGEST.slice(-64).toUpperCase()}`;
  t.equal((await app.request(again, { method: "HEAD" })).status, 200, "in the other form");
  const before = snapshot(dir);
  t.equal((await app.request(at, { method: "POST", body: "unread" })).status, 200);
  t.same(snapshot(dir), before);
  const empty = `/api/blobs/sha256:${createHash("sha256").digest("hex")}`;
  t.equal((await app.request(empty, { method: "POST" })).status, 201, "nothing is a blob too");
});

t.test("another method, and what is no digest", async (t) => {
  const { app, dir } = await open(t);
  const get = await app.request(`/api/blobs/${DIGEST}`);
  t.equal(get.status, 405);
  t.equal(get.headers.get("allow"), "HEAD, POST");
  const rows = [
    "sha256:",
    "sha256:123",
    `sha256:${"g".repeat(64)}`,
    `sha256:${"0".repeat(65)}`,
    `sha512:${"0".repeat(64)}`,
    `sha256%3A${"0".repeat(63)}%2f`,
    "0".repeat(64),
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    `sha256-..%2f${"0".repeat(61)}`,
    `${NONE}%00`,
    `${NONE}/../x`,
    "%ff",
    "-1",
  ];
  for (const digest of rows) {
    const response = await app.request(`/api/blobs/${digest}`, { method: "POST", body: "x" });
    t.ok(response.status === 400 || response.status === 404, `${digest}: ${response.status}`);
    if (response.status === 400) {
      t.equal(await response.text(), '{"error":"invalid digest format"}', digest);
    }
  }
  t.same(readdirSync(path.dirname(dir)), ["models"]);
  t.same(snapshot(dir), {});
});

t.test("bytes of another digest are not kept", async (t) => {
  const { app, dir } = await open(t);
  const response = await app.request(`/api/blobs/${NONE}`, { method: "POST", body: BYTES });
  t.equal(response.status, 400);
  t.same(await response.json(), {
    error: `digest mismatch, expected "${NONE}", got "${DIGEST}"`,
  });
  t.same(snapshot(dir), {});
});

t.test("a full disk is told, and a folder that may not be written", async (t) => {
  for (const [code, status] of [
    ["DISK_FULL", 507],
    ["MODELS_DIR_NOT_WRITABLE", 500],
  ] as const) {
    const blobs = {
      stat: async () => undefined,
      create: async () => {
        throw new AppError(code, "what to do");
      },
    };
    const app = createApp(fakeCluster({ blobs }), () => false);
    const response = await app.request(`/api/blobs/${NONE}`, { method: "POST", body: "x" });
    t.equal(response.status, status);
    t.same(await response.json(), { error: "what to do" });
  }
});

t.test("who stops sending is told so, and leaves nothing", async (t) => {
  const { cluster, app, dir } = await open(t);
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      if (controller.desiredSize === 1) controller.enqueue(BYTES.subarray(0, 1_000));
      return new Promise<void>(() => {});
    },
  });
  const init = { method: "POST", body, duplex: "half" } as RequestInit;
  const answer = Promise.resolve(app.request(`/api/blobs/${DIGEST}`, init));
  while (snapshotSize(dir) === 0) await systemClock.sleep(1, never);
  while (cluster.clock.sleeping === 0) await systemClock.sleep(1, never);
  await cluster.clock.advance(60_000);
  t.equal((await answer).status, 408);
  t.same(snapshot(dir), {});
});

const never = new AbortController().signal;

function snapshotSize(dir: string): number {
  return readdirSync(path.join(dir, "blobs")).length;
}

t.test("a client that leaves in the middle leaves nothing behind", async (t) => {
  const { cluster, dir } = await open(t);
  mkdirSync(dir, { recursive: true });
  const log = new LogOfLines();
  const api = await Api.open(cluster.options, { ...cluster, log, clock: systemClock });
  t.teardown(() => api[Symbol.asyncDispose]());
  const outgoing = request(`${api.url}/api/blobs/${DIGEST}`, {
    method: "POST",
    headers: { "Content-Length": BYTES.length },
  });
  outgoing.on("error", () => {});
  outgoing.write(BYTES.subarray(0, 500_000));
  while (snapshotSize(dir) === 0) await systemClock.sleep(1, never);
  outgoing.destroy();
  while (snapshotSize(dir) > 0) await systemClock.sleep(1, never);
  t.same(snapshot(dir), {});
  t.notOk(log.lines.some(({ level }) => level === "error"));
});
