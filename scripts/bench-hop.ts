// npm run bench:hop: what forwarding to a peer adds to a request, beside a minimal HTTP proxy before the same node. Real
// processes: node a holds the demo model, node b does not, and node c neither, and talks to a by TLS, as nodes of two machines
// do. Every round asks all ways once, in an order drawn anew.
import { fork } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import { parseArgs } from "node:util";
import { TestCluster, until } from "../test/fixtures/cluster.ts";
import { type Answered, ask } from "./bench/ask.ts";
import { describeMachine, tellBusyness } from "./bench/machine.ts";
import { median, percentile, table } from "./bench/statistics.ts";

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "1500" },
    "warm-up": { type: "string", default: "2500" },
  },
});
const ROUNDS = Number(options.rounds);
/** As long as V8 needs to compile all that a request goes through, at the node that sees the fewest. */
const WARM_UP_ROUNDS = Number(options["warm-up"]);
/** The bound: what the hop adds, in what the proxy adds. */
const RATIO_MAX = 1.5;
/** The rounds fall into this many parts, whose medians show the spread. */
const PARTS = 10;

type Sample = Pick<Answered, "firstMs" | "wholeMs">;

const agent = new http.Agent({ keepAlive: true });

const WAYS = ["direct", "proxy", "peer", "by TLS"] as const;
type Way = (typeof WAYS)[number];
type Measured = Readonly<Record<Way, readonly Sample[]>>;

async function measure(urls: Readonly<Record<Way, string>>, question: object): Promise<Measured> {
  const body = JSON.stringify({ model: "tiny-chat", prompt: "The sky is", ...question });
  const samples: Record<Way, Sample[]> = { direct: [], proxy: [], peer: [], "by TLS": [] };
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
    for (const way of WAYS.toSorted(() => Math.random() - 0.5)) {
      const { text, ...sample } = await ask(agent, `${urls[way]}/api/generate`, body);
      if (!text.includes('"done":true')) throw new Error(`no whole answer: ${text}`);
      if (round >= 0) samples[way].push(sample);
    }
  }
  return samples;
}

/** What a way adds to the direct one at the median, over all rounds and the least and most of the parts. */
function added(measured: Measured, way: Way, of: keyof Sample) {
  const overheadMs = (from: number, to: number): number => {
    const medianOf = (w: Way) => median(measured[w].slice(from, to).map((sample) => sample[of]));
    return medianOf(way) - medianOf("direct");
  };
  const size = Math.floor(ROUNDS / PARTS);
  const parts = Array.from({ length: PARTS }, (_, i) => overheadMs(i * size, (i + 1) * size));
  return {
    wholeMs: overheadMs(0, ROUNDS),
    leastMs: Math.min(...parts),
    mostMs: Math.max(...parts),
  };
}

function report(name: string, measured: Measured, of: keyof Sample): number {
  const ms = (value: number): string => value.toFixed(3);
  const rows = WAYS.map((way) => {
    const values = measured[way].map((sample) => sample[of]);
    const extra = added(measured, way, of);
    return [
      way,
      ms(median(values)),
      ms(percentile(values, 0.9)),
      ms(percentile(values, 0.99)),
      ...(way === "direct"
        ? ["", ""]
        : [ms(extra.wholeMs), `${ms(extra.leastMs)} to ${ms(extra.mostMs)}`]),
    ];
  });
  const ratioOf = (way: Way): number =>
    added(measured, way, of).wholeMs / added(measured, "proxy", of).wholeMs;
  const ratio = ratioOf("peer");
  console.log(`\n${name}, ms`);
  console.log(table(["", "p50", "p90", "p99", "p50 added", `of ${PARTS} parts`], rows));
  console.log(
    `peer adds ${ratio.toFixed(2)} × what the proxy adds; by TLS ${ratioOf("by TLS").toFixed(2)} ×`,
  );
  return ratio;
}

console.log(describeMachine());
await using cluster = await TestCluster.open();
await cluster.importDemo("a");
const [a, b, c] = await Promise.all([
  cluster.start("a").ready(),
  cluster.start("b").ready(),
  cluster.start("c", { OLLAMA_LOCAL_LINKS: "false" }).ready(),
]);
for (const { apiUrl } of [b, c]) {
  await until(`${apiUrl}/api/tags`, (body) => (body["models"] as unknown[]).length === 1);
}
const proxy = fork(new URL("./bench/proxy.ts", import.meta.url), [a.apiUrl]);
const [proxyUrl] = (await once(proxy, "message")) as [string];
const urls = { direct: a.apiUrl, proxy: proxyUrl, peer: b.apiUrl, "by TLS": c.apiUrl };

await tellBusyness();

const greedy = { raw: true, options: { temperature: 0, num_predict: 1 } };
const one = await measure(urls, { ...greedy, stream: false });
const streamed = await measure(urls, {
  ...greedy,
  options: { temperature: 0, num_predict: 32 },
});
const ratio = report(`One token in one object, ${ROUNDS} rounds`, one, "wholeMs");
report("32 tokens streamed: the first line", streamed, "firstMs");
report("32 tokens streamed: the whole answer", streamed, "wholeMs");
const verdict = ratio <= RATIO_MAX ? "within" : "OVER";
console.log(`\nbound: at most ${RATIO_MAX} × the proxy's for one request: ${verdict}`);

proxy.disconnect();
agent.destroy();
