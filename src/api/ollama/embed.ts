import type { Context } from "hono";
import { shortestFloat32 } from "../../core/float32.ts";
import type { EmbedRequest } from "../../core/inference.ts";
import type { RouteContext } from "../deps.ts";
import { HttpError } from "../http/http-error.ts";
import { jsonReply, routeHeaders } from "../http/reply.ts";
import { type ApiEnv, askingOf } from "../http/request-signal.ts";
import { omitEmpty } from "../json/go-json.ts";
import { loadDuration, nanoseconds } from "./answer.ts";
import { KEEP_ALIVE, OBJECT } from "./fields.ts";
import { requireEmbeddingModel } from "./find-model.ts";
import { loadRequestOf } from "./load-request.ts";
import { parseOptions } from "./options.ts";
import { readAsk } from "./read-ask.ts";

export const EMBED_SHAPE = {
  name: "EmbedRequest",
  fields: {
    model: "string",
    input: "any",
    truncate: "bool",
    dimensions: "int",
    keep_alive: KEEP_ALIVE,
    options: OBJECT,
  },
} as const;

interface EmbedBody {
  readonly model?: string;
  readonly input?: unknown;
  readonly truncate?: boolean;
  readonly dimensions?: number;
  readonly keep_alive?: number;
  readonly options?: Readonly<Record<string, unknown>>;
}

/** POST /api/embed: vectors of length 1. */
export async function embed(c: Context<ApiEnv>, context: RouteContext): Promise<Response> {
  const startedMs = context.clock.nowMs();
  const body: EmbedBody = await readAsk(c, context, EMBED_SHAPE);
  const inputs = parseInput(body.input);
  const { model = "", dimensions = 0 } = body;
  if (model === "") throw new HttpError(404, "model '' not found");
  const record = requireEmbeddingModel(context, model);
  const wait = askingOf(c, record);
  const request = requestOf(c, record.manifest, inputs, body);
  if (inputs.length === 0) {
    const { route } = await context.inference.load(loadRequestOf(request), wait);
    return jsonReply({ model, embeddings: [] }, routeHeaders(route));
  }
  const { vectors, promptTokens, loadMs, route } = await context.inference.embed(request, wait);
  return jsonReply(
    {
      model,
      embeddings: vectors.map((vector) => toLength(checkedVector(vector), dimensions)),
      ...omitEmpty({
        total_duration: nanoseconds(context.clock.nowMs() - startedMs),
        load_duration: loadDuration(loadMs),
        prompt_eval_count: promptTokens,
      }),
    },
    routeHeaders(route),
  );
}

export const EMBEDDINGS_SHAPE = {
  name: "EmbeddingRequest",
  fields: { model: "string", prompt: "string", keep_alive: KEEP_ALIVE, options: OBJECT },
} as const;

/** POST /api/embeddings, the older one: one prompt, the vector as the model gave it. */
export async function embeddings(c: Context<ApiEnv>, context: RouteContext): Promise<Response> {
  const body: Omit<EmbedBody, "input"> & { readonly prompt?: string } = await readAsk(
    c,
    context,
    EMBEDDINGS_SHAPE,
  );
  const { model = "", prompt = "" } = body;
  if (model === "") throw new HttpError(400, "model is required");
  const record = requireEmbeddingModel(context, model);
  const wait = askingOf(c, record);
  const request = requestOf(c, record.manifest, prompt === "" ? [] : [prompt], body);
  if (prompt === "") {
    const { route } = await context.inference.load(loadRequestOf(request), wait);
    return jsonReply({ embedding: [] }, routeHeaders(route));
  }
  const { vectors, route } = await context.inference.embed(request, wait);
  return jsonReply({ embedding: checkedVector(vectors[0] ?? []) }, routeHeaders(route));
}

function requestOf(
  c: Context<ApiEnv>,
  model: EmbedRequest["model"],
  inputs: readonly string[],
  body: EmbedBody,
): EmbedRequest {
  return {
    requestId: c.get("requestId"),
    model,
    inputs,
    runner: parseOptions(body.options ?? {}).runner,
    ...(body.truncate === undefined ? {} : { truncate: body.truncate }),
    ...(body.keep_alive === undefined ? {} : { keepAliveMs: body.keep_alive }),
  };
}

/** A string or a list of strings; nothing, the empty string and the empty list only load the model. */
function parseInput(input: unknown): readonly string[] {
  if (input === undefined || input === null || input === "") return [];
  if (typeof input === "string") return [input];
  if (Array.isArray(input) && input.every((item) => typeof item === "string")) return input;
  throw new HttpError(400, "invalid input type");
}

/** The first `dimensions` of the vector (0: all), scaled to length 1: 32-bit floats, as short as Go prints them. */
export function toLength(vector: readonly number[], dimensions: number): readonly number[] {
  const cut = dimensions > 0 && dimensions < vector.length ? vector.slice(0, dimensions) : vector;
  const length = Math.sqrt(cut.reduce((sum, value) => sum + value * value, 0));
  return length === 0 ? cut : cut.map((value) => shortestFloat32(value / length));
}

/** JSON has no NaN. */
export function checkedVector(vector: readonly number[]): readonly number[] {
  if (vector.every(Number.isFinite)) return vector;
  throw new HttpError(400, "embedding contains NaN or Inf values");
}
