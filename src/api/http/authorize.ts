import type { Context } from "hono";
import { type Authority, type Identity, type Permission, ROLES } from "../../core/auth.ts";
import type { Clock } from "../../core/clock.ts";
import { type Metrics, noMetrics } from "../../core/metrics.ts";
import { FailedTries } from "./failed-tries.ts";
import type { ApiEnv } from "./request-signal.ts";

/** What a route needs: a permission, or nothing. */
export type Need = Permission | "nothing";

export interface Refusal {
  readonly status: 401 | 403 | 429 | 503;
  readonly message: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Undefined: the request may go on, and its context holds who calls. */
export type Authorize = (c: Context<ApiEnv>, need: Need) => Refusal | undefined;

type Reason =
  | Extract<Identity, { readonly kind: "refused" }>["reason"]
  | "missing"
  | "limited"
  | "forbidden"
  | "unready";

const MAKE_ONE = "`ollamamax key create NAME` makes one";
const UNAUTHORIZED: Readonly<Record<Exclude<Reason, "limited" | "forbidden" | "unready">, string>> =
  {
    missing: `this API takes requests with a key: send it as "Authorization: Bearer omx_…"; ${MAKE_ONE}`,
    malformed: `what was sent as a key is none of this cluster's, which begin with omx_; ${MAKE_ONE}`,
    unknown: `this cluster has no such key, or had it long ago; ${MAKE_ONE}`,
    revoked: `this key was revoked; ${MAKE_ONE}`,
    expired: `this key has expired; ${MAKE_ONE}`,
  };
const RETRY_AFTER_READING_S = 2;

/** Who calls, by the key that comes with the request (RFC 6750, 2.1), and whether they may. */
export function authorizer(
  authority: Authority,
  { clock, metrics = noMetrics }: { readonly clock: Clock; readonly metrics?: Metrics },
): Authorize {
  const tries = new FailedTries();
  const refusals = metrics.counter({
    name: "ollamamax_auth_refusals_total",
    help: "Requests that were refused for their key or for want of one.",
    labels: ["reason"],
  });
  const refuse = (reason: Reason, refusal: Refusal): Refusal => {
    refusals.add({ reason });
    return refusal;
  };
  return (c, need) => {
    if (need === "nothing") return undefined;
    const key = keyOf(c);
    // No key is no try: whoever comes without one learns what to send, however often.
    if (key === undefined) return refuse("missing", unauthorized("missing"));
    const identity = authority.identify(key);
    if (identity.kind === "unready") return refuse("unready", UNREADY);
    if (identity.kind === "refused") {
      // Only failures are limited: a right key behind the same address goes on working.
      const waitMs = tries.count(c.env?.incoming?.socket.remoteAddress ?? "", clock.nowMs());
      if (waitMs > 0) return refuse("limited", limited(waitMs));
      return refuse(identity.reason, unauthorized(identity.reason));
    }
    const { principal } = identity;
    if (!authority.may(principal.role, need)) {
      const allowed = ROLES.filter((role) => authority.may(role, need));
      return refuse("forbidden", forbidden(principal.role, need, allowed));
    }
    c.set("principal", principal);
    return undefined;
  };
}

/** As stock OpenAI and Ollama clients send it, or as Anthropic's do. */
function keyOf(c: Context<ApiEnv>): string | undefined {
  const bearer = /^bearer +(\S.*)$/i.exec(c.req.header("authorization") ?? "")?.[1];
  return bearer?.trim() ?? (c.req.header("x-api-key")?.trim() || undefined);
}

function unauthorized(reason: keyof typeof UNAUTHORIZED): Refusal {
  const challenge = reason === "missing" ? "Bearer" : 'Bearer error="invalid_token"';
  return {
    status: 401,
    message: UNAUTHORIZED[reason],
    headers: { "WWW-Authenticate": challenge },
  };
}

function limited(waitMs: number): Refusal {
  const seconds = String(Math.ceil(waitMs / 1_000));
  return {
    status: 429,
    message: `too many wrong keys came from your address: correct the key, and try again in ${seconds} s`,
    headers: { "Retry-After": seconds },
  };
}

function forbidden(role: string, need: Permission, allowed: readonly string[]): Refusal {
  const wanted = `use a key of role ${allowed.join(" or ")}`;
  return {
    status: 403,
    message: `a key of role ${role} may not do this, which takes ${need}: ${wanted}`,
    headers: {},
  };
}

const UNREADY: Refusal = {
  status: 503,
  message:
    "this node could not read the cluster's keys from its database yet: try again in a moment, or ask another node",
  headers: { "Retry-After": String(RETRY_AFTER_READING_S) },
};
