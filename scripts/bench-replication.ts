// npm run bench:replication: how fast a blob spreads between nodes, beside a plain TLS socket that copies the same file. Real
// processes on loopback. Every round does everything once; the best of the rounds counts, for the worst says what else ran.
import { type ChildProcess, fork } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createWriteStream, linkSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import os, { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { manifestDigestOf, parseBlobDigest } from "../src/core/digest.ts";
import { formatManifest } from "../src/core/manifest.ts";
import { Busyness, describeMachine, tellBusyness } from "./bench/machine.ts";
import type { PeerLinks, PeerRequest, PeerStats } from "./bench/replication-peer.ts";
import { table } from "./bench/statistics.ts";

const { values: options } = parseArgs({
  options: {
    megabytes: { type: "string", default: "1024" },
    rounds: { type: "string", default: "3" },
    receivers: { type: "string", default: "8" },
    /** Where the files are: one in memory leaves the disk out. */
    dir: { type: "string", default: tmpdir() },
  },
});
const MEBIBYTE = 1024 ** 2;
const BLOB_BYTES = Number(options.megabytes) * MEBIBYTE;
const ROUNDS = Number(options.rounds);
const RECEIVERS = Number(options.receivers);
/** The bounds. */
const ONE_SOURCE_MIN = 0.7;
const TWO_SOURCES_MIN = 1.2;
const ORIGIN_MAX = 1.5;
const MEMORY_BYTES_MAX = 150 * MEBIBYTE;
/** Of all cores: one that waits a moment for the other is still what there is. */
const PROCESSOR_LIMIT = 0.9;

const root = mkdtempSync(path.join(options.dir, "ollamamax-bench-"));
const source = path.join(root, "source");

async function writeSource() {
  const hash = createHash("sha256");
  const file = createWriteStream(source);
  for (let written = 0; written < BLOB_BYTES; written += MEBIBYTE) {
    const bytes = randomBytes(MEBIBYTE);
    hash.update(bytes);
    if (!file.write(bytes)) await once(file, "drain");
  }
  file.end();
  await once(file, "close");
  const digest = parseBlobDigest(hash.digest("hex"));
  if (!digest) throw new Error("SHA-256 gave no digest");
  // One blob is config and layer: replication does not read what it copies.
  const blob = { digest, sizeBytes: BLOB_BYTES };
  const manifest = formatManifest({ config: blob, layers: [{ kind: "model", ...blob }] });
  return { digest, manifest };
}

const blob = await writeSource();
const model = manifestDigestOf(blob.manifest);

interface Reply {
  readonly result?: unknown;
  readonly error?: string;
}

class Peer implements Disposable {
  readonly #child: ChildProcess;
  readonly #dir: string;
  id = "";
  addresses: readonly string[] = [];

  constructor(name: string, links: PeerLinks, bootstrap: readonly string[]) {
    this.#dir = mkdtempSync(path.join(root, `${name}-`));
    const script = new URL("./bench/replication-peer.ts", import.meta.url);
    this.#child = fork(script, [this.#dir, links, ...bootstrap]);
  }

  async ready(): Promise<this> {
    const { id, addresses } = (await this.#reply()) as { id: string; addresses: string[] };
    this.id = id;
    this.addresses = addresses;
    return this;
  }

  async hold(): Promise<void> {
    mkdirSync(path.join(this.#dir, "blobs"), { recursive: true });
    linkSync(source, path.join(this.#dir, "blobs", `sha256-${blob.digest}`));
    const manifest = Buffer.from(blob.manifest).toString("base64");
    await this.#ask({ call: "hold", manifest });
  }

  async copy(holders: readonly Peer[]): Promise<number> {
    const request = { call: "copy", model, holders: holders.map(({ id }) => id) } as const;
    return ((await this.#ask(request)) as { tookMs: number }).tookMs;
  }

  async rest(): Promise<void> {
    await this.#ask({ call: "rest" });
  }

  async stats(): Promise<PeerStats> {
    return (await this.#ask({ call: "stats" })) as PeerStats;
  }

  #ask(request: PeerRequest): Promise<unknown> {
    this.#child.send(request);
    return this.#reply();
  }

  async #reply(): Promise<unknown> {
    const [{ result, error }] = (await once(this.#child, "message")) as [Reply];
    if (error !== undefined) throw new Error(error);
    return result;
  }

  [Symbol.dispose](): void {
    this.#child.kill("SIGKILL");
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

async function plain(target: string): Promise<number> {
  const script = new URL("./bench/tls-copy.ts", import.meta.url);
  const receiver = fork(script, ["receive", target]);
  const [{ port }] = (await once(receiver, "message")) as [{ port: number }];
  fork(script, ["send", source, String(port)]);
  const [{ tookMs }] = (await once(receiver, "message")) as [{ tookMs: number }];
  if (target !== "-") rmSync(target);
  return tookMs;
}

interface Run {
  readonly tookMs: number;
  readonly originBytes: number;
  readonly peakBytes: number;
  /** Of the whole machine: what the kernel does for files and sockets has no process. */
  readonly cores: number;
}

/** All receivers begin at once; each knows of all others. */
async function swarm(sources: number, receivers: number, links: PeerLinks = "TLS"): Promise<Run> {
  using stack = new DisposableStack();
  const first = stack.use(await new Peer("source", links, []).ready());
  const start = (name: string) => stack.use(new Peer(name, links, first.addresses)).ready();
  const others = await Promise.all(Array.from({ length: sources - 1 }, () => start("source")));
  const holders = [first, ...others];
  const nodes = await Promise.all(Array.from({ length: receivers }, () => start("receiver")));
  for (const holder of holders) await holder.hold();
  // The hashes are made at the first request: that belongs to the import, not to the copy.
  await (await start("warm-up")).copy(holders);
  // A receiver that is idle has joined; a holder has not given anything yet, so its idleness was before.
  await Promise.all(nodes.map((node) => node.rest()));
  const before = await Promise.all([...holders, ...nodes].map((peer) => peer.stats()));
  const busyness = new Busyness();
  const startedMs = performance.now();
  await Promise.all(
    nodes.map((node) => node.copy([...holders, ...nodes.filter((other) => other !== node)])),
  );
  const tookMs = performance.now() - startedMs;
  const cores = busyness.look() * os.cpus().length;
  const after = await Promise.all([...holders, ...nodes].map((peer) => peer.stats()));
  const sent = after.map(({ sentBytes }, i) => sentBytes - (before[i]?.sentBytes ?? 0));
  return {
    tookMs,
    originBytes: Math.max(...sent.slice(0, sources)),
    peakBytes: Math.max(...after.map(({ peakBytes, idleBytes }) => peakBytes - idleBytes)),
    cores,
  };
}

function best<T extends { readonly tookMs: number }>(runs: readonly T[]): T {
  const [fastest] = runs.toSorted((a, b) => a.tookMs - b.tookMs);
  if (!fastest) throw new Error("no rounds");
  return fastest;
}

const rate = (tookMs: number, copies = 1): number =>
  (copies * BLOB_BYTES) / MEBIBYTE / (tookMs / 1_000);
const verdict = (ok: boolean): string => (ok ? "within" : "NOT MET");

try {
  console.log(describeMachine());
  await tellBusyness();

  const memory: { tookMs: number }[] = [];
  const file: { tookMs: number }[] = [];
  const one: Run[] = [];
  const two: Run[] = [];
  const local: Run[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    memory.push({ tookMs: await plain("-") });
    file.push({ tookMs: await plain(path.join(root, "copied")) });
    one.push(await swarm(1, 1));
    two.push(await swarm(2, 1));
    local.push(await swarm(1, 1, "local"));
  }
  const many = await swarm(1, RECEIVERS);

  const row = (name: string, run: { tookMs: number } & Partial<Run>, copies = 1) => [
    name,
    rate(run.tookMs, copies).toFixed(0),
    (run.tookMs / 1_000).toFixed(2),
    run.originBytes === undefined ? "" : (run.originBytes / BLOB_BYTES).toFixed(2),
    run.peakBytes === undefined ? "" : (run.peakBytes / MEBIBYTE).toFixed(0),
    run.cores?.toFixed(2) ?? "",
  ];
  console.log(
    table(
      ["", "MiB/s", "s", "origin sent × blob", "MiB above idle", "cores used"],
      [
        row("plain TLS socket, to nowhere", best(memory)),
        row("plain TLS socket, to a file", best(file)),
        row("one source", best(one)),
        row("two sources", best(two)),
        row("one source, local socket", best(local)),
        row(`${RECEIVERS} receivers, one origin`, many, RECEIVERS),
      ],
    ),
  );
  const oneRatio = best(file).tookMs / best(one).tookMs;
  const nowhereRatio = best(memory).tookMs / best(one).tookMs;
  const twoRatio = best(one).tookMs / best(two).tookMs;
  const { cores } = best(two);
  const isTwoFine = twoRatio >= TWO_SOURCES_MIN || cores >= PROCESSOR_LIMIT * os.cpus().length;
  const origin = many.originBytes / BLOB_BYTES;
  const localRatio = best(file).tookMs / best(local).tookMs;
  const peak = Math.max(...[...one, ...two, ...local, many].map(({ peakBytes }) => peakBytes));
  console.log(
    [
      `one source: ${oneRatio.toFixed(2)} × the socket that writes a file (at least ${ONE_SOURCE_MIN}): ${verdict(oneRatio >= ONE_SOURCE_MIN)}; ${nowhereRatio.toFixed(2)} × the one that does not`,
      `one source on this machine, without TLS: ${localRatio.toFixed(2)} × the same`,
      `two sources: ${twoRatio.toFixed(2)} × one (at least ${TWO_SOURCES_MIN}, or at the processor's limit: ${cores.toFixed(2)} of ${os.cpus().length} cores in use): ${verdict(isTwoFine)}`,
      `origin: ${origin.toFixed(2)} × the blob (at most ${ORIGIN_MAX}): ${verdict(origin <= ORIGIN_MAX)}`,
      `memory: ${(peak / MEBIBYTE).toFixed(0)} MiB above idle (at most ${MEMORY_BYTES_MAX / MEBIBYTE}): ${verdict(peak <= MEMORY_BYTES_MAX)}`,
    ].join("\n"),
  );
} finally {
  rmSync(root, { recursive: true, force: true });
}
