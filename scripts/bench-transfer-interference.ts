// npm run bench:interference: what a copy of a model between two nodes costs the requests that they answer meanwhile. Real
// processes on loopback: node a has a large model that node b gets. Phases with and without the copy take turns, and in each of
// them the source and the receiver are asked in turn; only answers that the copy ran beside from start to end count as such.
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { parseArgs } from "node:util";
import { TestCluster, until } from "../test/fixtures/cluster.ts";
import { ggufFile, key, tensor, value } from "../test/fixtures/gguf-file.ts";
import { ask } from "./bench/ask.ts";
import { describeMachine, tellBusyness } from "./bench/machine.ts";
import { median, percentile, table } from "./bench/statistics.ts";

const { values: options } = parseArgs({
  options: {
    pairs: { type: "string", default: "8" },
    /** Of one node in one phase. */
    seconds: { type: "string", default: "5" },
    megabytes: { type: "string", default: "1024" },
    words: { type: "string", default: "24" },
    /** OLLAMA_TRANSFER_RATE of both nodes. */
    rate: { type: "string", default: "0" },
  },
});
const PAIRS = Number(options.pairs);
const PHASE_MS = Number(options.seconds) * 1_000;
const MEBIBYTE = 1024 ** 2;
const BLOB_BYTES = Number(options.megabytes) * MEBIBYTE;
/** So that a first token takes what it takes: about as long as a short prompt to a small model. */
const PROMPT_WORDS = Number(options.words);
/** The bound, for the time to the first token at p99. */
const GROWTH_MAX = 0.1;
const LOOK_MS = 200;
/** The config and the like come first. */
const SMALL_BYTES = MEBIBYTE;
const STARTED_BYTES = 8 * MEBIBYTE;
const SWITCH_MS_MAX = 60_000;

const agent = new http.Agent({ keepAlive: true });

const call = (url: string, body?: object) => ask(agent, url, body && JSON.stringify(body));

/** No two prompts begin alike, so none is found in a cache. */
function prompt(): string {
  return Array.from({ length: PROMPT_WORDS }, () => Math.random().toString(36).slice(2, 5)).join(
    " ",
  );
}

async function timeToFirstToken(apiUrl: string): Promise<number> {
  const question = { raw: true, options: { temperature: 0, num_predict: 4 } };
  const body = { model: "tiny-chat", prompt: prompt(), ...question };
  return (await call(`${apiUrl}/api/generate`, body)).firstMs;
}

const ROLES = ["source", "receiver"] as const;
type Role = (typeof ROLES)[number];
type Mode = "alone" | "copying";

interface NodeUnderTest {
  readonly apiUrl: string;
  readonly pid: number;
}

const TICK_MS = 10;

/** What a process has used of processors, by Linux's own account (proc(5): utime and stime, in ticks). */
function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** Looks at the receiver's copies, in all phases alike. */
class Watch implements AsyncDisposable {
  /** What has come of the copy; undefined: there is none. */
  doneBytes: number | undefined;
  /** What had come when the pieces of the large file began to come. */
  startBytes: number | undefined;
  readonly #apiUrl: string;
  #isOver = false;
  readonly #looking: Promise<void>;

  constructor(apiUrl: string) {
    this.#apiUrl = apiUrl;
    this.#looking = this.#look();
  }

  async #look(): Promise<void> {
    while (!this.#isOver) {
      const { text } = await call(`${this.#apiUrl}/api/cluster/transfers?local=true`);
      const { transfers } = JSON.parse(text) as { transfers: { done_bytes: number }[] };
      const before = this.doneBytes;
      this.doneBytes = transfers[0]?.done_bytes;
      if (this.doneBytes === undefined) this.startBytes = undefined;
      else if (before === undefined || before < SMALL_BYTES) this.startBytes = this.doneBytes;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await this.#looking;
  }
}

interface Phase {
  readonly role: Role;
  readonly mode: Mode;
  readonly firstMs: readonly number[];
  readonly bytesPerSecond: number;
  /** What the node's own process used, in cores: without its children, which run the model. */
  readonly cores: number;
}

class Bench {
  readonly phases: Phase[] = [];
  readonly #nodes: Readonly<Record<Role, NodeUnderTest>>;
  readonly #watch: Watch;

  constructor(nodes: Readonly<Record<Role, NodeUnderTest>>, watch: Watch) {
    this.#nodes = nodes;
    this.#watch = watch;
  }

  /** The source makes the hashes of its pieces when it is first asked: that belongs to the import. */
  async warmUp(): Promise<void> {
    await this.#want(2);
    while (!this.#isIn("copying")) await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }

  /** Both nodes stay busy until it is so: then the copy goes as slowly as it will in the phase. */
  async switchTo(mode: Mode): Promise<void> {
    await this.#want(mode === "copying" ? 2 : 1);
    const untilMs = performance.now() + SWITCH_MS_MAX;
    while (!this.#isIn(mode) || (mode === "alone" && (await this.#isThere()))) {
      if (performance.now() > untilMs) throw new Error(`the copy is not as wanted: ${mode}`);
      await Promise.all(ROLES.map((role) => timeToFirstToken(this.#nodes[role].apiUrl)));
    }
  }

  async #want(replicas: number): Promise<void> {
    await call(`${this.#nodes.source.apiUrl}/api/cluster/wanted`, { model: "large", replicas });
  }

  /** A copy that was done in its phase is taken away again. */
  async #isThere(): Promise<boolean> {
    const { text } = await call(`${this.#nodes.receiver.apiUrl}/api/tags?local=true`);
    return text.includes("large");
  }

  /** A copy that has begun may still wait for the source's hashes. */
  #isIn(mode: Mode): boolean {
    const { doneBytes, startBytes } = this.#watch;
    if (mode === "alone" || doneBytes === undefined)
      return mode === "alone" && doneBytes === undefined;
    return doneBytes >= (startBytes ?? 0) + STARTED_BYTES;
  }

  async measure(role: Role, mode: Mode): Promise<void> {
    const firstMs: number[] = [];
    const startedMs = performance.now();
    const startedBytes = this.#watch.doneBytes ?? 0;
    let lastBytes = startedBytes;
    const { apiUrl, pid } = this.#nodes[role];
    const startedCpuMs = cpuMs(pid);
    while (performance.now() - startedMs < PHASE_MS) {
      const before = this.#watch.doneBytes;
      const sampleMs = await timeToFirstToken(apiUrl);
      const after = this.#watch.doneBytes;
      if ((before !== undefined) !== (mode === "copying") || (before ?? 0) > (after ?? 0)) continue;
      firstMs.push(sampleMs);
      lastBytes = after ?? lastBytes;
    }
    const tookMs = performance.now() - startedMs;
    const bytesPerSecond = ((lastBytes - startedBytes) / tookMs) * 1_000;
    const cores = (cpuMs(pid) - startedCpuMs) / tookMs;
    this.phases.push({ role, mode, firstMs, bytesPerSecond, cores });
  }
}

function report(phases: readonly Phase[]): boolean {
  const ms = (value: number): string => value.toFixed(2);
  const of = (role: Role, mode: Mode) =>
    phases.filter((phase) => phase.role === role && phase.mode === mode);
  const growths: number[] = [];
  const rows = ROLES.flatMap((role) =>
    (["alone", "copying"] as const).map((mode) => {
      const own = of(role, mode);
      const all = own.flatMap(({ firstMs }) => firstMs);
      const p99s = own.map(({ firstMs }) => percentile(firstMs, 0.99)).sort((a, b) => a - b);
      const rates = own.map(({ bytesPerSecond }) => bytesPerSecond / 1e6);
      const alone = of(role, "alone").flatMap(({ firstMs }) => firstMs);
      const growth = (share: number): string => {
        if (mode === "alone") return "";
        const grown = percentile(all, share) / percentile(alone, share) - 1;
        if (share === 0.99) growths.push(grown);
        return `${(grown * 100).toFixed(0)} %`;
      };
      return [
        `${role}, ${mode}`,
        String(all.length),
        ...[0.5, 0.9, 0.99].map((share) => ms(percentile(all, share))),
        ...[growth(0.5), growth(0.99)],
        `${ms(p99s[0] ?? 0)} to ${ms(p99s.at(-1) ?? 0)}`,
        mode === "alone" ? "" : median(rates).toFixed(0),
        median(own.map(({ cores }) => cores)).toFixed(2),
      ];
    }),
  );
  console.log("\nTime to the first token, ms");
  console.log(
    table(
      ["", "n", "p50", "p90", "p99", "p50 grown", "p99 grown", "p99 of phases", "MB/s", "cores"],
      rows,
    ),
  );
  return growths.every((grown) => grown <= GROWTH_MAX);
}

console.log(describeMachine());
await using cluster = await TestCluster.open();
const file = path.join(cluster.folder, "large.gguf");
const tensors = [tensor("token_embd.weight", [BLOB_BYTES / 4])];
const head = ggufFile({ keys: [key("general.architecture", value.text("llama"))], tensors });
writeFileSync(file, head);
truncateSync(file, head.length + BLOB_BYTES);
await cluster.importDemo("a", file, "large");
for (const name of ["a", "b"]) await cluster.importDemo(name);
const [source, receiver] = await Promise.all(
  ["a", "b"].map(async (name): Promise<NodeUnderTest> => {
    const daemon = cluster.start(name, { OLLAMA_TRANSFER_RATE: options.rate });
    return { apiUrl: (await daemon.ready()).apiUrl, pid: daemon.child.pid ?? 0 };
  }),
);
if (!source || !receiver) throw new Error("two were started");
await until(`${source.apiUrl}/api/cluster/registry/replicas`, (body) =>
  JSON.stringify(body).includes("large"),
);

await tellBusyness();
{
  await using watch = new Watch(receiver.apiUrl);
  const bench = new Bench({ source, receiver }, watch);
  await bench.warmUp();
  for (let pair = 0; pair < PAIRS; pair++) {
    for (const mode of ["alone", "copying"] as const) {
      await bench.switchTo(mode);
      for (const role of ROLES) await bench.measure(role, mode);
    }
  }
  const verdict = report(bench.phases) ? "within" : "OVER";
  console.log(`\nbound: p99 grows by ${GROWTH_MAX * 100} % at most: ${verdict}`);
}
agent.destroy();
