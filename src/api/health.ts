import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Readiness, RouteContext, Store } from "./deps.ts";
import { jsonReply } from "./http/reply.ts";
import { goJson } from "./json/go-json.ts";

/** GET /health/live: depends on nothing outside this process. */
export function live(): Response {
  return jsonReply({ status: "ok" });
}

/** GET /health/ready: names what is not ready; 503 unless new requests can be taken. */
export function ready(checks: readonly Readiness[]): Response {
  const isReady = checks.every(({ ready, optional }) => ready || optional);
  return healthReply(isReady, { status: isReady ? "ready" : "not ready", checks });
}

const PING_TIMEOUT_MS = 5_000;

/** GET /health/db: asks Postgres and Redis now; 503 unless each that is configured answers. Requests are served without. */
export async function stores({
  database,
  cache,
  clock,
}: Pick<RouteContext, "database" | "cache" | "clock">): Promise<Response> {
  const [databaseProblem, cacheProblem] = await Promise.all([
    problemOf(database, clock),
    cache && problemOf(cache, clock),
  ]);
  const problems = [databaseProblem, cacheProblem].filter((problem) => problem !== undefined);
  const isHealthy = problems.length === 0;
  return healthReply(isHealthy, {
    status: isHealthy ? "healthy" : "unhealthy",
    database: databaseProblem === undefined ? "ok" : "failed",
    cache: !cache ? "not configured" : cacheProblem === undefined ? "ok" : "failed",
    ...(isHealthy ? {} : { error: problems.join("; ") }),
    timestamp: new Date(clock.wallMs()).toISOString(),
  });
}

/** Undefined when it answers in time. */
async function problemOf(store: Store, clock: Clock): Promise<string | undefined> {
  const settled = new AbortController();
  const late = clock.sleep(PING_TIMEOUT_MS, settled.signal).then(() => {
    throw new Error(`no answer within ${PING_TIMEOUT_MS / 1_000} s`);
  });
  late.catch(() => {});
  try {
    await Promise.race([store.ping({ signal: settled.signal }), late]);
    return undefined;
  } catch (error) {
    return messageOf(error);
  } finally {
    settled.abort();
  }
}

function healthReply(isWell: boolean, body: Readonly<Record<string, unknown>>): Response {
  return new Response(goJson(body), {
    status: isWell ? 200 : 503,
    headers: { "Content-Type": "application/json; charset=utf-8" },
  });
}
