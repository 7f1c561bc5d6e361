import t from "tap";
import { OciRegistry } from "../../test/fixtures/oci-registry.ts";
import { RegistryClient, requestOf } from "../../test/fixtures/registry-client.ts";
import { at, halfAnswer } from "../../test/fixtures/registry-faults.ts";
import { patternBytes, serveModel } from "../../test/fixtures/registry-model.ts";
import { until } from "../../test/fixtures/until.ts";
import { parseBlobDigest } from "../core/digest.ts";
import { PIECE_BYTES } from "../core/pieces.ts";

const MODEL = patternBytes(3.5 * PIECE_BYTES);

async function modelAt(t: Parameters<typeof OciRegistry.open>[0]) {
  const registry = await OciRegistry.open(t);
  const { digests } = serveModel(registry, "a/b:c", { model: MODEL });
  const digest = parseBlobDigest(digests[0] ?? "");
  if (!digest) throw new Error("fixture");
  const questions = (): string[] =>
    registry.calls
      .filter(({ place, url }) => place === "cdn" && url.pathname.endsWith(digest))
      .map(({ headers }) => headers.range ?? "all");
  return { registry, digest, questions };
}

t.test("a pull that was left half-way goes on at the next piece", async (t) => {
  const { registry, questions } = await modelAt(t);
  const client = new RegistryClient();
  const left = new AbortController();
  const reason = new Error("the client has gone");
  client.store.onWrite = (piece) => {
    if (piece === 1) left.abort(reason);
  };
  await t.rejects(client.pull(registry, { signal: left.signal }), reason);
  t.equal(client.store.open, 0);
  t.equal(client.store.reserved.size, 0);
  t.equal(client.store.manifests.size, 0);
  const lines = await client.pull(registry);
  t.same(questions(), [
    `bytes=0-${MODEL.length - 1}`,
    `bytes=${2 * PIECE_BYTES}-${MODEL.length - 1}`,
  ]);
  t.equal(lines[1]?.completed, 2 * PIECE_BYTES, "its first line says what was there");
  t.equal(lines.at(-1)?.status, "success");
});

t.test("of scattered pieces only the gaps are asked for", async (t) => {
  const { registry, digest, questions } = await modelAt(t);
  const client = new RegistryClient();
  const here = [0, 2].map((piece): [number, Uint8Array] => [
    piece,
    MODEL.subarray(piece * PIECE_BYTES, (piece + 1) * PIECE_BYTES),
  ]);
  client.store.partial.set(digest, new Map(here));
  await client.pull(registry);
  t.same(questions(), [
    `bytes=${PIECE_BYTES}-${2 * PIECE_BYTES - 1}`,
    `bytes=${3 * PIECE_BYTES}-${MODEL.length - 1}`,
  ]);
});

t.test("all there but not checked: nothing is asked for, and it is checked", async (t) => {
  const { registry, digest, questions } = await modelAt(t);
  const client = new RegistryClient();
  const pieces = [0, 1, 2, 3].map((piece): [number, Uint8Array] => [
    piece,
    MODEL.subarray(piece * PIECE_BYTES, (piece + 1) * PIECE_BYTES),
  ]);
  client.store.partial.set(digest, new Map(pieces));
  await client.pull(registry);
  t.same(questions(), []);
  t.ok(client.store.blobs.has(digest));
});

t.test("leaving the iteration ends the download", async (t) => {
  const { registry } = await modelAt(t);
  let closed = false;
  registry.faults.push(
    at("cdn", (call) => {
      call.response.on("close", () => {
        closed = true;
      });
      halfAnswer(registry, PIECE_BYTES, () => {})(call);
    }),
  );
  const client = new RegistryClient();
  const { signal } = new AbortController();
  for await (const line of client.distribution.pull(requestOf(registry), { signal })) {
    if ((line.completed ?? 0) >= PIECE_BYTES) break;
  }
  t.equal(client.store.open, 0, "nothing writes any more");
  await until(() => closed);
  t.equal(client.store.reserved.size, 0);
});

t.test("two pulls of one blob share the download", async (t) => {
  const { registry, questions } = await modelAt(t);
  const client = new RegistryClient();
  const held = Promise.withResolvers<void>();
  registry.faults.push((call) => {
    if (call.place !== "cdn") return false;
    held.promise.then(() => registry.sendBlob(call));
    return true;
  });
  const began = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const pulls = began.map(({ resolve }) =>
    client.pull(registry, {
      onLine: ({ digest }) => {
        if (digest !== undefined) resolve();
      },
    }),
  );
  await Promise.all(began.map(({ promise }) => promise));
  held.resolve();
  for (const lines of await Promise.all(pulls)) {
    t.equal(lines.at(-1)?.status, "success");
    t.ok(lines.some(({ completed }) => completed === MODEL.length));
  }
  t.equal(questions().length, 1);
});

t.test("the shared download goes on while one wants it, and ends with the last", async (t) => {
  const { registry, questions } = await modelAt(t);
  const client = new RegistryClient();
  registry.faults.push(
    at(
      "cdn",
      halfAnswer(registry, 1.5 * PIECE_BYTES, () => {}),
      1,
    ),
  );
  const leave = [new AbortController(), new AbortController()];
  const began = leave.map(() => Promise.withResolvers<void>());
  const pulls = leave.map(({ signal }, index) =>
    client.pull(registry, {
      signal,
      onLine: ({ completed = 0 }) => {
        if (completed >= PIECE_BYTES) began[index]?.resolve();
      },
    }),
  );
  const ends = pulls.map((pull) => pull.catch((error: unknown) => error));
  await Promise.all(began.map(({ promise }) => promise));
  leave[0]?.abort(new Error("first"));
  t.match(await ends[0], { message: "first" });
  t.equal(client.store.open, 1, "the second one still waits for it");
  leave[1]?.abort(new Error("second"));
  t.match(await ends[1], { message: "second" });
  t.equal(client.store.open, 0);
  t.equal(questions().length, 1);
  t.equal((await client.pull(registry)).at(-1)?.status, "success");
  t.equal(questions()[1], `bytes=${PIECE_BYTES}-${MODEL.length - 1}`);
});

t.test("another registry's failure is not ours", async (t) => {
  const ill = await modelAt(t);
  const good = await modelAt(t);
  const client = new RegistryClient();
  const held = Promise.withResolvers<void>();
  ill.registry.faults.push((call) => {
    if (call.place !== "blob") return false;
    held.promise.then(() => call.response.writeHead(403).end("no"));
    return true;
  });
  const began = Promise.withResolvers<void>();
  const failing = client.pull(ill.registry).catch((error: unknown) => error);
  await until(() => ill.registry.calls.some(({ place }) => place === "blob"));
  const pull = client.pull(good.registry, {
    onLine: ({ digest }) => {
      if (digest !== undefined) began.resolve();
    },
  });
  await began.promise;
  held.resolve();
  t.match(await failing, { code: "REGISTRY_REFUSED", message: "403: no" });
  t.equal((await pull).at(-1)?.status, "success");
});

t.test("a blob that another part of the daemon writes is waited for", async (t) => {
  const { registry, digest, questions } = await modelAt(t);
  const client = new RegistryClient();
  const { store } = client;
  const blob = { digest, sizeBytes: MODEL.length };
  const { signal } = new AbortController();
  const other = await store.openPieces(blob, { signal });
  await other.write(0, MODEL.subarray(0, PIECE_BYTES), { signal });
  const seen = Promise.withResolvers<void>();
  const pull = client.pull(registry, {
    onLine: ({ completed }) => {
      if (completed === PIECE_BYTES) seen.resolve();
    },
  });
  await seen.promise;
  t.pass("its progress is ours");
  store.put(MODEL);
  await other[Symbol.asyncDispose]();
  t.equal((await pull).at(-1)?.status, "success");
  t.same(questions(), []);
});
