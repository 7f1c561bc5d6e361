import { randomUUID } from "node:crypto";
import { type Context, Hono } from "hono";
import { LATENCY_BUCKETS_SECONDS, noMetrics } from "../core/metrics.ts";
import { anthropicErrorResponse } from "./anthropic/errors.ts";
import { countTokens, messages } from "./anthropic/messages.ts";
import { VERSION_HEADER } from "./anthropic/models.ts";
import { audit } from "./cluster/audit.ts";
import { drain } from "./cluster/drain.ts";
import { models } from "./cluster/models.ts";
import { nodes } from "./cluster/nodes.ts";
import { registryNodes, registryReplicas } from "./cluster/registry.ts";
import { replicas } from "./cluster/replicas.ts";
import { requests } from "./cluster/requests.ts";
import { transfers } from "./cluster/transfers.ts";
import { wanted } from "./cluster/wanted.ts";
import type { RouteContext } from "./deps.ts";
import { live, ready, stores } from "./health.ts";
import { authorizer, type Need, type Refusal } from "./http/authorize.ts";
import { BodyRoom } from "./http/body-room.ts";
import { errorResponse, reportFailure } from "./http/error-response.ts";
import { corsHeaders, type Gate, gateOf, isAllowedHost, judgeOrigin } from "./http/gate.ts";
import { HttpError } from "./http/http-error.ts";
import { recorded } from "./http/recorded.ts";
import { jsonReply } from "./http/reply.ts";
import type { ApiEnv } from "./http/request-signal.ts";
import { ociErrorResponse } from "./oci/errors.ts";
import { base, registry } from "./oci/registry.ts";
import { AskedNames } from "./ollama/asked-names.ts";
import { blob } from "./ollama/blobs.ts";
import { chat } from "./ollama/chat.ts";
import { recommendations, signout, webFetch, webSearch, whoami } from "./ollama/cloud.ts";
import { copy } from "./ollama/copy.ts";
import { create } from "./ollama/create.ts";
import { remove } from "./ollama/delete.ts";
import { embed, embeddings } from "./ollama/embed.ts";
import { generate } from "./ollama/generate.ts";
import { ps } from "./ollama/ps.ts";
import { pull, push } from "./ollama/pull.ts";
import { show } from "./ollama/show.ts";
import { tags } from "./ollama/tags.ts";
import { detokenize, tokenize } from "./ollama/tokens.ts";
import { chatCompletions } from "./openai/chat.ts";
import { completions } from "./openai/completions.ts";
import { embeddings as openAiEmbeddings } from "./openai/embeddings.ts";
import { openAiErrorResponse } from "./openai/errors.ts";
import { model as openAiModel, models as openAiModels } from "./openai/models.ts";
import { responses } from "./openai/responses.ts";
import { transcriptions } from "./openai/transcriptions.ts";
import { docs, openApi } from "./openapi/routes.ts";

type Handler = (c: Context<ApiEnv>, context: RouteContext) => Response | Promise<Response>;
type Route = readonly [methods: string, path: string, need: Need, handler: Handler];

/** Every route and what it takes where keys are required, one line each. */
export const ROUTES: readonly Route[] = [
  ["GET HEAD", "/", "nothing", () => plain("Ollama is running", 200)],
  ["GET HEAD", "/api/version", "nothing", (_c, context) => version(context)],
  // What Ollama says where its cloud is switched off: there is none here.
  [
    "GET",
    "/api/status",
    "nothing",
    () => jsonReply({ cloud: { disabled: true, source: "config" } }),
  ],
  ["GET HEAD", "/api/tags", "models.read", tags],
  ["GET", "/api/ps", "models.read", ps],
  ["POST", "/api/show", "models.read", show],
  ["POST", "/api/generate", "models.use", recorded("generate", generate)],
  ["POST", "/api/chat", "models.use", recorded("generate", chat)],
  ["POST", "/api/embed", "models.use", recorded("embed", embed)],
  ["POST", "/api/embeddings", "models.use", recorded("embed", embeddings)],
  ["POST", "/api/pull", "models.manage", pull],
  ["POST", "/api/push", "models.manage", push],
  ["POST", "/api/create", "models.manage", create],
  ["POST", "/api/copy", "models.manage", copy],
  ["DELETE", "/api/delete", "models.manage", remove],
  ["HEAD POST", "/api/blobs/:digest{.+}", "models.manage", blob],
  ["POST", "/api/me", "models.read", whoami],
  ["POST", "/api/signout", "models.read", signout],
  ["DELETE", "/api/user/keys/:key", "models.read", signout],
  ["POST", "/api/experimental/web_search", "models.use", webSearch],
  ["POST", "/api/experimental/web_fetch", "models.use", webFetch],
  ["GET", "/api/experimental/model-recommendations", "models.read", recommendations],
  ["POST", "/api/tokenize", "models.use", tokenize],
  ["POST", "/api/detokenize", "models.use", detokenize],
  ["POST", "/v1/chat/completions", "models.use", recorded("generate", chatCompletions)],
  ["POST", "/v1/completions", "models.use", recorded("generate", completions)],
  ["POST", "/v1/embeddings", "models.use", recorded("embed", openAiEmbeddings)],
  ["POST", "/v1/responses", "models.use", recorded("generate", responses)],
  ["POST", "/v1/audio/transcriptions", "models.use", recorded("generate", transcriptions)],
  ["POST", "/v1/messages", "models.use", recorded("generate", messages)],
  ["POST", "/v1/messages/count_tokens", "models.use", countTokens],
  ["GET", "/v1/models", "models.read", openAiModels],
  ["GET", "/v1/models/:id{.+}", "models.read", openAiModel],
  ["GET HEAD", "/v2/", "models.read", () => base()],
  ["GET HEAD", "/v2/:rest{.+}", "models.read", registry],
  ["GET", "/api/cluster/nodes", "cluster.read", (_c, context) => nodes(context)],
  ["GET", "/api/cluster/nodes/:id/drain", "cluster.read", drain],
  ["POST", "/api/cluster/nodes/:id/drain", "cluster.manage", drain],
  ["DELETE", "/api/cluster/nodes/:id/drain", "cluster.manage", drain],
  ["GET", "/api/cluster/replicas", "cluster.read", (_c, context) => replicas(context)],
  ["GET", "/api/cluster/transfers", "cluster.read", transfers],
  ["POST", "/api/cluster/wanted", "models.manage", wanted],
  ["GET", "/api/cluster/models", "cluster.read", models],
  ["GET", "/api/cluster/requests", "history.read", requests],
  ["GET", "/api/cluster/audit", "audit.read", audit],
  ["GET", "/api/cluster/registry/nodes", "cluster.read", registryNodes],
  ["GET", "/api/cluster/registry/replicas", "cluster.read", registryReplicas],
  ["GET HEAD", "/health/live", "nothing", () => live()],
  ["GET HEAD", "/health/ready", "nothing", (_c, context) => ready(context.readiness())],
  ["GET HEAD", "/health/db", "nothing", (_c, context) => stores(context)],
  ["GET", "/openapi.json", "nothing", (_c, { options }) => openApi(ROUTES, options.version)],
  ["GET", "/docs", "nothing", () => docs()],
];

/** A draining node still tells that it lives, and what it knows. */
const WHILE_DRAINING = /^\/(health\/|api\/cluster\/|$)/;
const REQUEST_ID = /^[\w.:-]{1,128}$/;
const RETRY_AFTER_DRAIN_S = 5;

export function createApp(
  given: Omit<RouteContext, "asked">,
  isDraining: () => boolean,
): Hono<ApiEnv> {
  const context: RouteContext = { ...given, asked: new AskedNames() };
  const app = new Hono<ApiEnv>({ strict: true });
  const gate = gateOf(context.options.host, context.options.origins);

  const measure = requestMeter(context);
  app.use(async (c, next) => {
    const startedMs = context.clock.nowMs();
    const given = c.req.header("x-request-id") ?? "";
    const requestId = REQUEST_ID.test(given) ? given : randomUUID();
    c.set("requestId", requestId);
    await next();
    // Not c.header: what is answered already, that makes anew, with a stream for its body.
    c.res.headers.set("X-Request-Id", requestId);
    const durationMs = context.clock.nowMs() - startedMs;
    measure(c, durationMs);
    const { method, path } = c.req;
    context.log.debug({ requestId, method, path, status: c.res.status, durationMs }, "request");
  });
  app.use(async (c, next) => {
    const refused = refusal(c, gate);
    if (refused) return refused;
    // Hono answers HEAD wherever there is a GET; Ollama only where the table says so.
    if (c.req.method === "HEAD" && !methodsOf(c.req.path).includes("HEAD")) return notFound(c);
    if (isDraining() && !WHILE_DRAINING.test(c.req.path)) return refusedReply(c, DRAINING, context);
    await next();
    const origin = c.req.header("origin");
    if (origin && judgeOrigin(gate, origin, c.req.header("host") ?? "") === "allowed") {
      for (const [name, value] of Object.entries(corsHeaders(origin, false))) c.header(name, value);
    }
    return undefined;
  });
  const bodies = new BodyRoom(context.options);
  const authorize = context.authority && authorizer(context.authority, context);
  for (const [methods, path, need, handler] of ROUTES) {
    // To Hono a HEAD is a GET, also where the table has no GET.
    app.on(methods.replace(/\bHEAD\b/, "GET HEAD").split(" "), path, (c) => {
      if (!methods.split(" ").includes(c.req.method)) return notFound(c);
      const refused = authorize?.(c, need);
      return refused
        ? refusedReply(c, refused, context)
        : bodies.within(c, () => handler(c, context));
    });
  }
  app.notFound(notFound);
  app.onError((error, c) => {
    reportFailure(context.log, { requestId: c.get("requestId"), path: c.req.path }, error);
    return failureResponse(c, error, context);
  });
  return app;
}

const METHODS = ["GET", "HEAD", "POST", "DELETE", "OPTIONS"];

/** Counts requests by their route, and how long each took until its answer began. */
function requestMeter({ metrics = noMetrics }: RouteContext): (c: Context, ms: number) => void {
  const requests = metrics.counter({
    name: "ollamamax_http_requests_total",
    help: "Requests to the API and the dashboard.",
    labels: ["route", "method", "status"],
  });
  const latency = metrics.histogram({
    name: "ollamamax_http_response_seconds",
    help: "Time until an answer begins.",
    labels: ["route"],
    buckets: LATENCY_BUCKETS_SECONDS,
  });
  return (c, ms) => {
    const pattern = patternAt(c.req.path) ?? "other";
    const route = pattern.replace(/\{\.\+\}/, "");
    const method = METHODS.includes(c.req.method) ? c.req.method : "other";
    requests.add({ route, method, status: `${c.res.status}` });
    latency.observe({ route }, ms / 1_000);
  };
}

/** The host and origin gate: an empty 403, or the answer to a preflight. */
function refusal(c: Context<ApiEnv>, gate: Gate): Response | undefined {
  const host = c.req.header("host");
  const origin = c.req.header("origin");
  if (!isAllowedHost(gate, host)) return new Response(null, { status: 403 });
  const verdict = judgeOrigin(gate, origin, host ?? "");
  if (verdict === "refused") return new Response(null, { status: 403 });
  if (c.req.method !== "OPTIONS") return undefined;
  return new Response(null, {
    status: 204,
    headers: verdict === "allowed" && origin ? corsHeaders(origin, true) : {},
  });
}

/** As gin: a path without its trailing slash is shown the way, another method of a known path is a 405. */
function notFound(c: Context<ApiEnv>): Response {
  const { path } = c.req;
  const slashless = path.replace(/\/+$/, "");
  if (slashless !== path && methodsOf(slashless).includes(c.req.method)) {
    const location = slashless + new URL(c.req.url).search;
    const status = c.req.method === "GET" ? 301 : 307;
    return new Response(null, { status, headers: { Location: location } });
  }
  const methods = methodsOf(path);
  // gin names no charset here, unlike for what a handler says.
  const type = { "Content-Type": "text/plain" };
  return methods.length > 0
    ? plain("405 method not allowed", 405, { ...type, Allow: methods.join(", ") })
    : plain("404 page not found", 404, type);
}

function methodsOf(path: string): string[] {
  return routesAt(path).flatMap(([methods]) => methods.split(" "));
}

/** Hono's patterns, for what asks for the table's rows itself. */
const PATTERNS: ReadonlyMap<string, RegExp> = new Map(
  ROUTES.map(([, path]) => [path, patternOf(path)]),
);

function patternOf(path: string): RegExp {
  const parts = path.split(/(:\w+(?:\{\.\+\})?)/).map((part) => {
    if (!part.startsWith(":")) return part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
    return part.endsWith("}") ? ".+" : "[^/]+";
  });
  return new RegExp(`^${parts.join("")}$`);
}

function routesAt(path: string): typeof ROUTES {
  return ROUTES.filter(([, known]) => isAt(known, path));
}

/** The most asked for are paths of their own, which need no search. */
function patternAt(path: string): string | undefined {
  if (PATTERNS.has(path)) return path;
  return ROUTES.find(([, known]) => isAt(known, path))?.[1];
}

function isAt(known: string, path: string): boolean {
  return PATTERNS.get(known)?.test(path) ?? false;
}

/** Each API has its own envelope for what went wrong. */
function failureResponse(c: Context<ApiEnv>, error: unknown, { random }: RouteContext): Response {
  const { path } = c.req;
  const isAnthropic = path.startsWith("/v1/models") && c.req.header(VERSION_HEADER) !== undefined;
  if (isAnthropic || /^\/v1\/messages(\/|$)/.test(path)) {
    return anthropicErrorResponse(error, random);
  }
  if (path.startsWith("/v1/")) return openAiErrorResponse(error);
  if (path.startsWith("/v2/")) return ociErrorResponse(error);
  return c.get("streaming") ? errorResponse(error, "application/json") : errorResponse(error);
}

const DRAINING = {
  status: 503,
  message: "this node is shutting down: ask another one",
  headers: { "Retry-After": String(RETRY_AFTER_DRAIN_S), Connection: "close" },
};

function refusedReply(
  c: Context<ApiEnv>,
  { status, message, headers }: Refusal | typeof DRAINING,
  context: RouteContext,
): Response {
  const response = failureResponse(c, new HttpError(status, message), context);
  for (const [name, value] of Object.entries(headers)) response.headers.set(name, value);
  return response;
}

/** GET /api/version: of the Ollama whose API this is. */
function version({ options }: RouteContext): Response {
  return jsonReply({ version: options.ollamaVersion });
}

function plain(text: string, status: number, headers: Record<string, string> = {}): Response {
  return new Response(text, {
    status,
    headers: { "Content-Type": "text/plain; charset=utf-8", ...headers },
  });
}
