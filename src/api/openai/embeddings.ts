import type { Context } from "hono";
import type { RouteContext } from "../deps.ts";
import { readRequest } from "../dialects/read-request.ts";
import { plainJsonReply } from "../dialects/reply.ts";
import { HttpError } from "../http/http-error.ts";
import { routeHeaders } from "../http/reply.ts";
import { type ApiEnv, askingOf } from "../http/request-signal.ts";
import { checkedVector, toLength } from "../ollama/embed.ts";
import { requireEmbeddingModel } from "../ollama/find-model.ts";

export const EMBEDDINGS_SHAPE = {
  name: "openai.EmbedRequest",
  fields: { model: "string", input: "any", dimensions: "int", encoding_format: "string" },
} as const;

interface Body {
  readonly model?: string;
  readonly input?: unknown;
  readonly dimensions?: number;
  readonly encoding_format?: string;
}

/** POST /v1/embeddings: vectors of length 1. OpenAI's own clients ask for base64 and decode it. */
export async function embeddings(c: Context<ApiEnv>, context: RouteContext): Promise<Response> {
  const body: Body = await readRequest(c, context.options.bodyBytesMax, EMBEDDINGS_SHAPE);
  const { model = "", dimensions = 0 } = body;
  const inputs = parseInputs(body.input);
  const encode = parseEncoding(body.encoding_format);
  if (model === "") throw new HttpError(404, "model '' not found", { param: "model" });
  const record = requireEmbeddingModel(context, model);
  const request = { requestId: c.get("requestId"), model: record.manifest, inputs, runner: {} };
  const wait = askingOf(c, record);
  const { vectors, promptTokens, route } = await context.inference.embed(request, wait);
  const data = vectors.map((vector, index) => {
    const embedding = encode(toLength(checkedVector(vector), dimensions));
    return { object: "embedding", embedding, index };
  });
  const usage = { prompt_tokens: promptTokens, total_tokens: promptTokens };
  return plainJsonReply({ object: "list", data, model, usage }, routeHeaders(route));
}

function parseInputs(input: unknown): readonly string[] {
  const refuse = (message: string): HttpError => new HttpError(400, message, { param: "input" });
  if (typeof input === "string") return [input];
  if (input === undefined || (Array.isArray(input) && input.length === 0)) {
    throw refuse("invalid input");
  }
  if (Array.isArray(input) && input.every((text) => typeof text === "string")) return input;
  throw refuse("invalid input type");
}

type Encode = (vector: readonly number[]) => readonly number[] | string;

function parseEncoding(format = ""): Encode {
  const name = format.toLowerCase();
  if (name === "" || name === "float") return (vector) => vector;
  if (name === "base64") return base64Of;
  throw new HttpError(
    400,
    `Invalid value for 'encoding_format' = ${format}. Supported values: ['float', 'base64'].`,
    { param: "encoding_format" },
  );
}

const FLOAT_BYTES = 4;

/** The numbers as 32-bit floats, the low byte first. */
function base64Of(vector: readonly number[]): string {
  const bytes = Buffer.alloc(vector.length * FLOAT_BYTES);
  vector.forEach((value, index) => {
    bytes.writeFloatLE(value, index * FLOAT_BYTES);
  });
  return bytes.toString("base64");
}
