import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import t from "tap";
import { fakeCluster, ROUTE } from "../../../test/fixtures/fake-cluster.ts";
import { Api } from "../api.ts";

const MESSAGES = [{ role: "user", content: "hi" }];
const ROWS: readonly (readonly [path: string, body: object, answers: number])[] = [
  ["/v1/chat/completions", { messages: MESSAGES, n: 3 }, 3],
  ["/v1/completions", { prompt: ["a", "b"] }, 2],
  ["/v1/responses", { input: "hi" }, 1],
  ["/v1/messages", { messages: MESSAGES, max_tokens: 5 }, 1],
];

const NO_TIME = { promptMs: 0, outputMs: 0 };

t.test("a client that goes stops every engine that answers it, and is no failure", async (t) => {
  for (const [path, body, answers] of ROWS) {
    for (const stream of [true, false]) {
      const cluster = fakeCluster();
      await using api = await Api.open(cluster.options, cluster);
      const begun = Promise.withResolvers<void>();
      const left = Promise.withResolvers<void>();
      let running = 0;
      let ended = 0;
      cluster.inference.script = async function* (_request, signal) {
        if (++running === answers) begun.resolve();
        try {
          yield { type: "routed", ...ROUTE };
          yield { type: "text", text: "a", tokens: 1 };
          if (!signal.aborted) await once(signal, "abort");
          throw signal.reason;
        } finally {
          if (++ended === answers) left.resolve();
        }
      };
      const outgoing = request(`${api.url}${path}`, { method: "POST", agent: false });
      outgoing.on("error", () => {});
      outgoing.end(JSON.stringify({ model: "llama", stream, ...body }));
      if (stream) {
        const [response] = (await once(outgoing, "response")) as [IncomingMessage];
        response.on("error", () => {});
        await once(response, "data");
      }
      await begun.promise;
      outgoing.destroy();
      await left.promise;
      await api.drain({ signal: new AbortController().signal });
      const told = cluster.log.lines.filter(({ level }) => level !== "debug");
      t.strictSame(told, [], `${path}, stream ${stream}`);
    }
  }
});

t.test("each event goes out as it comes", async (t) => {
  for (const [path, body, answers] of ROWS) {
    const cluster = fakeCluster();
    await using api = await Api.open(cluster.options, cluster);
    const next = Promise.withResolvers<void>();
    cluster.inference.script = async function* () {
      yield { type: "text", text: "first", tokens: 1 };
      await next.promise;
      yield { type: "text", text: "second", tokens: 1 };
      yield { ...{ type: "end", reason: "stop", promptTokens: 1, tokens: 2 }, ...NO_TIME };
    };
    const outgoing = request(`${api.url}${path}`, { method: "POST", agent: false });
    outgoing.end(JSON.stringify({ model: "llama", stream: true, ...body }));
    const [response] = (await once(outgoing, "response")) as [IncomingMessage];
    t.equal(response.headers["content-type"], "text/event-stream", path);
    t.equal(response.headers["transfer-encoding"], "chunked", path);
    let text = "";
    response.setEncoding("utf8");
    for await (const chunk of response) {
      text += chunk;
      if (text.split("first").length > answers) next.resolve();
    }
    t.equal(text.split("second").length > answers, true, path);
  }
});
