import http from "node:http";

export interface Answered {
  /** Both from when the question was sent. */
  readonly firstMs: number;
  readonly wholeMs: number;
  readonly text: string;
}

/** One question over a connection that the agent keeps; a GET without a body. Rejects when the status is not 200. */
export function ask(agent: http.Agent, url: string, body?: string): Promise<Answered> {
  const { promise, resolve, reject } = Promise.withResolvers<Answered>();
  const startedMs = performance.now();
  const method = body === undefined ? "GET" : "POST";
  const outgoing = http.request(url, { method, agent }, (answer) => {
    let firstMs = 0;
    let text = "";
    answer.setEncoding("utf8").on("data", (chunk: string) => {
      firstMs ||= performance.now() - startedMs;
      text += chunk;
    });
    answer.on("error", reject);
    answer.on("end", () => {
      const wholeMs = performance.now() - startedMs;
      if (answer.statusCode === 200) resolve({ firstMs, wholeMs, text });
      else reject(new Error(`${url} answered ${answer.statusCode}: ${text}`));
    });
  });
  outgoing.on("error", reject);
  outgoing.end(body);
  return promise;
}
