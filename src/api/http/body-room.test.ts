import { request as httpRequest } from "node:http";
import { Hono } from "hono";
import t from "tap";
import { eventsOf, fakeCluster, ROUTE, recordOf } from "../../../test/fixtures/fake-cluster.ts";
import type { RoutedEvent } from "../../core/inference.ts";
import { Api } from "../api.ts";
import { BodyRoom } from "./body-room.ts";
import type { ApiEnv } from "./request-signal.ts";

const MIB = 1_024 ** 2;

/** Answers each request when the test says so, and tells which have been let in. */
function served(bodiesBytesMax = 4 * MIB) {
  const room = new BodyRoom({ bodiesBytesMax, bodyBytesMax: 3 * MIB });
  const app = new Hono<ApiEnv>();
  const entered: string[] = [];
  const ends = new Map<string, () => void>();
  app.post("*", (c) =>
    room.within(c, async () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      entered.push(c.req.path);
      ends.set(c.req.path, resolve);
      await promise;
      if (c.req.path === "/fails") throw new Error("no");
      return c.text("ok");
    }),
  );
  app.onError((error, c) => c.text(error.message, 500));
  const post = async (path: string, bytes: number | undefined, signal?: AbortSignal) => {
    const length = bytes === undefined ? "Transfer-Encoding" : "Content-Length";
    const headers = { [length]: bytes === undefined ? "chunked" : `${bytes}` };
    const response = await app.request(path, {
      method: "POST",
      headers,
      ...(signal && { signal }),
    });
    return `${response.status} ${await response.text()}`;
  };
  const end = (path: string): void => ends.get(path)?.();
  return { entered, post, end };
}

/** Whatever was on its way has happened. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

t.test("large bodies wait for room, in order; small ones do not", async (t) => {
  const { entered, post, end } = served();
  const answers = [post("/a", 3 * MIB), post("/b", 2 * MIB), post("/c", MIB), post("/d", 1_000)];
  answers.push(post("/api/blobs/x", 10 * MIB));
  await settled();
  t.same(entered.toSorted(), ["/a", "/api/blobs/x", "/d"]);
  end("/a");
  await settled();
  t.same(entered.slice(3), ["/b", "/c"]);
  for (const path of entered) end(path);
  t.same(
    await Promise.all(answers),
    answers.map(() => "200 ok"),
  );
});

t.test("one that is larger than all the room, or does not say how large, is alone", async (t) => {
  const { entered, post, end } = served();
  const answers = [post("/a", 100 * MIB), post("/b", undefined), post("/c", 2 * MIB)];
  for (const path of ["/a", "/b", "/c"]) {
    await settled();
    t.equal(entered.at(-1), path);
    end(path);
  }
  t.same(await Promise.all(answers), ["200 ok", "200 ok", "200 ok"]);
});

t.test("a failure gives its room back, and so does who goes while it waits", async (t) => {
  const { entered, post, end } = served();
  const gone = new AbortController();
  const answers = [post("/fails", 4 * MIB), post("/b", 4 * MIB, gone.signal), post("/c", 4 * MIB)];
  await settled();
  gone.abort();
  end("/fails");
  await settled();
  t.same(entered, ["/fails", "/c"]);
  end("/c");
  t.same(await Promise.all(answers), ["500 no", "500 request canceled", "200 ok"]);
});

t.test("room is held until a streamed answer has gone, or its client", async (t) => {
  const cluster = fakeCluster({ records: [recordOf("registry.ollama.ai/library/llama:latest")] });
  const said: RoutedEvent = { type: "text", text: "a", tokens: 1 };
  let running = 0;
  cluster.inference.script = async function* (_request, signal) {
    running++;
    yield* eventsOf([{ type: "routed", ...ROUTE }, said]);
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
  };
  const options = { ...cluster.options, bodyBytesMax: 4 * MIB, bodiesBytesMax: 4 * MIB };
  await using api = await Api.open(options, cluster);
  const content = "x".repeat(3 * MIB);
  const body = JSON.stringify({ model: "llama", messages: [{ role: "user", content }] });
  const ask = () => {
    const request = httpRequest(`${api.url}/api/chat`, {
      ...{ method: "POST", headers: { "Content-Length": Buffer.byteLength(body) } },
    });
    request.on("error", () => {});
    request.end(body);
    const answered = Promise.withResolvers<void>();
    request.on("response", (response) => response.once("data", answered.resolve));
    return { request, answered: answered.promise };
  };
  const first = ask();
  await first.answered;
  const second = ask();
  const small = await fetch(`${api.url}/api/chat`, { method: "POST", body: "{" });
  t.equal(small.status, 400);
  t.equal(running, 1, "the second one waits");
  first.request.destroy();
  await second.answered;
  t.equal(running, 2);
  second.request.destroy();
});
