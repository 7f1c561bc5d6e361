import type { Context } from "hono";
import type { LoadedModel } from "../../core/inference.ts";
import type { ModelDetails } from "../../core/model.ts";
import type { RouteContext } from "../deps.ts";
import { jsonReply } from "../http/reply.ts";
import type { ApiEnv } from "../http/request-signal.ts";
import { shortNameOf } from "./find-model.ts";
import { detailsOf } from "./tags.ts";
import { localTimestamp } from "./times.ts";

/** "For ever" is Go's longest duration, about 292 years. */
const FOR_EVER_MS = 9_223_372_036_854;

/** Of a model that is loaded somewhere but whose files nobody has any more. */
const NO_DETAILS: ModelDetails = {
  parentModel: "",
  format: "",
  family: "",
  families: [],
  parameterSize: "",
  quantizationLevel: "",
};

/**
 * GET /api/ps: what is loaded, on any node; with ?local=true on this one. A model that several nodes have loaded shows
 * once, as the one that stays longest.
 */
export function ps(c: Context<ApiEnv>, context: RouteContext): Response {
  const own = context.engine.status().loaded;
  const others = c.req.query("local") === "true" ? [] : loadedElsewhere(context);
  const longest = new Map<string, LoadedModel>();
  for (const loaded of [...own, ...others]) {
    const known = longest.get(loaded.model);
    if (!known || known.expiresInMs < loaded.expiresInMs) longest.set(loaded.model, loaded);
  }
  const lastFirst = [...longest.values()].sort((a, b) => b.expiresInMs - a.expiresInMs);
  return jsonReply({ models: lastFirst.map((loaded) => entryOf(loaded, context)) });
}

function loadedElsewhere({ view }: RouteContext): LoadedModel[] {
  return view
    .nodes()
    .filter((node) => !node.self && (node.health === "alive" || node.health === "suspect"))
    .flatMap(({ loaded, ageMs }) =>
      loaded.map((model) => ({ ...model, expiresInMs: model.expiresInMs - ageMs })),
    )
    .filter(({ expiresInMs }) => expiresInMs > 0);
}

function entryOf(
  loaded: LoadedModel,
  { replicas, asked, clock }: RouteContext,
): Record<string, unknown> {
  const known = replicas.replicas().map((replica) => replica.record);
  const record = asked.choose(known.filter(({ manifest }) => manifest === loaded.model));
  const name = record ? shortNameOf(record.name) : loaded.model;
  return {
    name,
    model: name,
    size: loaded.sizeBytes,
    digest: loaded.model,
    details: detailsOf(record?.details ?? NO_DETAILS),
    expires_at: localTimestamp(clock.wallMs() + Math.min(loaded.expiresInMs, FOR_EVER_MS)),
    size_vram: loaded.vramBytes,
    context_length: loaded.contextLength,
  };
}
