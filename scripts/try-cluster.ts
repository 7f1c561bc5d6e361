// npm run try:cluster: builds the images, runs docker-compose.cluster.yml for real, lets its parts fail one by one, and prints
// what held. It needs Docker and the ports that the file publishes; its containers and volumes are its own and are removed.
import { spawnSync } from "node:child_process";
import { parseArgs } from "node:util";
import { formatTable } from "../src/cli/table.ts";
import { Compose } from "./try-cluster/compose.ts";
import { ask, callWith, chat, Load, NODES, until } from "./try-cluster/nodes.ts";

const { values: options } = parseArgs({
  options: {
    tls: { type: "boolean", default: false },
    "keep-running": { type: "boolean", default: false },
  },
});

const STARTED_MS = 180_000;
const BACK_MS = 60_000;
/** Enough that each lane has asked several times while something is away. */
const CHATS_MEANWHILE = 60;
const THREE = ["node-1", "node-2", "node-3"];

const secrets = spawnSync("scripts/make-secrets.sh", options.tls ? ["--tls"] : [], {
  stdio: ["ignore", 2, 2],
});
if (secrets.status !== 0) throw new Error("the secrets could not be made");
const files = [
  "docker-compose.cluster.yml",
  ...(options.tls ? ["deploy/tls/docker-compose.tls.yml"] : []),
];
const compose = await Compose.find("ollamamax-try", files);
const profiles = ["--profile", "fourth-node", "--profile", "prometheus"];

interface Member {
  readonly id: string;
  readonly name: string;
  readonly health: string;
}

const rows: string[][] = [];
let failed = 0;

/** One thing to see: its time and what was seen, or why it was not. Returns whether it was. */
async function step(what: string, action: () => Promise<string>): Promise<boolean> {
  const startedMs = performance.now();
  let seen: string;
  let verdict = "passed";
  try {
    seen = await action();
  } catch (error) {
    seen = error instanceof Error ? error.message : String(error);
    verdict = "FAILED";
    failed++;
  }
  const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1);
  rows.push([what, verdict, `${seconds} s`, seen]);
  console.log(`${verdict}  ${seconds.padStart(6)} s  ${what}: ${seen}`);
  return verdict === "passed";
}

async function healthy(...services: string[]): Promise<void> {
  for (const service of services) {
    await until(`${service}'s health`, STARTED_MS, async () => {
      const health = await compose.health(service);
      if (health === "running healthy") return true;
      throw new Error(health);
    });
  }
}

async function chatsThrough(nodes: readonly string[]): Promise<string> {
  const known = (await ask("node-1", "/api/cluster/nodes")).body["nodes"] as Member[];
  const seen: string[] = [];
  for (const node of nodes) {
    const by = await chat(node);
    seen.push(`${node} by ${known.find(({ id }) => id === by)?.name ?? by}`);
  }
  return seen.join(", ");
}

/** Chats on all nodes go on while something is away, and all are answered. */
async function chatsWhile(
  away: () => Promise<void>,
  back: () => Promise<void>,
  nodes = THREE,
): Promise<string> {
  const load = new Load(nodes, 6);
  await away();
  const enough = load.good + CHATS_MEANWHILE;
  await until(`${CHATS_MEANWHILE} chats meanwhile`, BACK_MS, async () => load.good >= enough);
  await back();
  return await load.end();
}

const databaseHealth = async (node: string, status: number, words: RegExp): Promise<boolean> => {
  const { status: found, body } = await ask(node, "/health/db");
  const text = JSON.stringify(body);
  if (found === status && words.test(text)) return true;
  throw new Error(`${found} ${text}`);
};

async function outage(service: "redis" | "postgres"): Promise<string> {
  return await chatsWhile(
    async () => {
      await compose.quiet("stop", service);
      await until("the bad health", BACK_MS, () => databaseHealth("node-1", 503, /unhealthy/));
    },
    async () => {
      await compose.quiet("start", service);
      await until("the good health", BACK_MS, () => databaseHealth("node-1", 200, /"healthy"/));
    },
  );
}

async function members(seenBy: string, wanted: Readonly<Record<string, number>>): Promise<string> {
  return await until("the members", BACK_MS, async () => {
    const { body } = await ask(seenBy, "/api/cluster/nodes");
    const nodes = body["nodes"] as Member[];
    const found = Object.entries(Object.groupBy(nodes, ({ health }) => health));
    const text = found.map(([health, list]) => `${list?.length} ${health}`).join(", ");
    const isRight = Object.entries(wanted).every(
      ([health, count]) => nodes.filter((node) => node.health === health).length === count,
    );
    if (!isRight) throw new Error(text);
    return text;
  });
}

async function query(
  expression: string,
): Promise<readonly { metric: Record<string, string>; value: number }[]> {
  const url = `http://127.0.0.1:9090/api/v1/query?query=${encodeURIComponent(expression)}`;
  const { data } = (await (await fetch(url)).json()) as {
    data: { result: { metric: Record<string, string>; value: [number, string] }[] };
  };
  return data.result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
}

/** Nobody gets in before there is a key, and with it each node lets us in. */
async function makeKey(): Promise<string> {
  const { status: without } = await ask("node-1", "/api/tags");
  if (without !== 401) throw new Error(`without a key the answer was ${without}`);
  const create = ["key", "create", "try", "--role", "admin", "--json"];
  const made = await compose.quiet("exec", "-T", "node-1", "ollamamax", ...create);
  callWith((JSON.parse(made) as { key: string }).key);
  for (const node of THREE) {
    await until(
      `${node}'s welcome`,
      BACK_MS,
      async () => (await ask(node, "/api/tags")).status === 200,
    );
  }
  return "401 without, 200 with one on each node";
}

async function tryAll(): Promise<void> {
  if (!(await step("a key for whoever calls", makeKey))) return;
  await step("the nodes see each other", () => members("node-1", { alive: 3 }));
  await step("a chat through each node", () => chatsThrough(THREE));
  await step("Postgres and Redis answer", async () => {
    for (const node of THREE) await databaseHealth(node, 200, /"healthy"/);
    return "/health/db is 200 on each node";
  });
  await step("Redis stopped and started", () => outage("redis"));
  await step("Postgres stopped and started", () => outage("postgres"));
  await step("a replica's container killed", async () => {
    const kept = await chatsWhile(async () => await compose.kill("node-2"), async () => {
      const seen = await members("node-1", { failed: 1 });
      console.error(`  meanwhile: ${seen}`);
      await compose.quiet("start", "node-2");
      await healthy("node-2");
    }, ["node-1", "node-3"]);
    return `${kept}; then ${await members("node-1", { alive: 3 })}`;
  });
  await step("one node more", async () => {
    await compose.show("--profile", "fourth-node", "up", "--detach", "--no-recreate", "node-4");
    await healthy("node-4");
    return `${await members("node-1", { alive: 4 })}; ${await chatsThrough(["node-4"])}`;
  });
  await step("metrics through Prometheus", async () => {
    await compose.show("--profile", "prometheus", "up", "--detach", "--no-recreate", "prometheus");
    const up = await until("four scraped nodes", BACK_MS, async () => {
      const targets = (await query('up{job="ollamamax"}')).filter(({ value }) => value === 1);
      return targets.length === 4 && targets;
    });
    const requests = await until("the requests", BACK_MS, async () => {
      const [sum] = await query("sum(ollamamax_http_requests_total)");
      return sum && sum.value > 0 && sum;
    });
    return `${up.length} nodes up, ${requests.value} requests counted`;
  });
}

try {
  const isBuilt = await step("images", async () => {
    // One image serves all nodes.
    await compose.show(...profiles, "build", "node-1", "prometheus");
    return "built";
  });
  const isUp =
    isBuilt &&
    (await step("start", async () => {
      await compose.show("up", "--detach");
      await healthy("postgres", "redis", ...THREE);
      return "Postgres, Redis and three nodes are healthy";
    }));
  if (isUp) await tryAll();
} finally {
  if (options["keep-running"]) {
    console.log(`left running: ${Object.keys(NODES).join(", ")}, Postgres, Redis, Prometheus`);
  } else await compose.show(...profiles, "down", "--volumes");
}

console.log(`\n${formatTable([["STEP", "", "TOOK", "SEEN"], ...rows])}`);
console.log(`\n${rows.length - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
