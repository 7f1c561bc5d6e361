import type { Readiness } from "./deps.ts";
import { jsonReply } from "./http/reply.ts";
import { goJson } from "./json/go-json.ts";

/** GET /health/live: depends on nothing outside this process. */
export function live(): Response {
  return jsonReply({ status: "ok" });
}

/** GET /health/ready: names what is not ready; 503 unless new requests can be taken. */
export function ready(checks: readonly Readiness[]): Response {
  const isReady = checks.every(({ ready, optional }) => ready || optional);
  return new Response(goJson({ status: isReady ? "ready" : "not ready", checks }), {
    status: isReady ? 200 : 503,
    headers: { "Content-Type": "application/json; charset=utf-8" },
  });
}
