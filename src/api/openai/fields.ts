import type { GenerateRequest, JsonFormat } from "../../core/inference.ts";
import { parseStop } from "../dialects/stop-words.ts";
import { HttpError } from "../http/http-error.ts";
import { isRecord, mismatch, type Shape } from "../json/decode.ts";
import { NUMBER } from "../json/number.ts";
import { seedOf } from "../json/seed.ts";

/** What chat and plain completions have in common. */

const SEED: Shape = {
  type: "int",
  custom: (value, path) => {
    const seed = seedOf(value);
    if (seed === undefined) throw mismatch(value, path, "int");
    return seed;
  },
};

export const COMMON_FIELDS = {
  model: "string",
  stream: "bool",
  stream_options: { name: "openai.StreamOptions", fields: { include_usage: "bool" } },
  max_tokens: "int",
  n: "int",
  seed: SEED,
  stop: "any",
  temperature: NUMBER,
  top_p: NUMBER,
  presence_penalty: NUMBER,
  frequency_penalty: NUMBER,
  _debug_render_only: "bool",
} as const;

export interface CommonBody {
  readonly model?: string;
  readonly stream?: boolean;
  readonly stream_options?: { readonly include_usage?: boolean };
  readonly max_tokens?: number;
  readonly n?: number;
  readonly seed?: number;
  readonly stop?: unknown;
  readonly temperature?: number;
  readonly top_p?: number;
  readonly presence_penalty?: number;
  readonly frequency_penalty?: number;
  readonly _debug_render_only?: boolean;
}

/** OpenAI's defaults, which go before the model's PARAMETERs as in Ollama. */
const TEMPERATURE_DEFAULT = 1;
const TOP_P_DEFAULT = 1;

export function parseSampling(
  body: CommonBody,
): Pick<GenerateRequest, "sampling" | "stop" | "maxTokens" | "renderOnly"> {
  const { presence_penalty: presencePenalty, frequency_penalty: frequencyPenalty } = body;
  const stop = parseStop(body.stop);
  return {
    sampling: {
      ...(body.seed === undefined ? {} : { seed: body.seed }),
      temperature: body.temperature ?? TEMPERATURE_DEFAULT,
      topP: body.top_p ?? TOP_P_DEFAULT,
      ...(presencePenalty === undefined ? {} : { presencePenalty }),
      ...(frequencyPenalty === undefined ? {} : { frequencyPenalty }),
    },
    ...(stop ? { stop } : {}),
    ...(body.max_tokens === undefined ? {} : { maxTokens: body.max_tokens }),
    ...(body._debug_render_only ? { renderOnly: true } : {}),
  };
}

/** OpenAI's own limit. */
const CHOICES_MAX = 128;

export function parseChoices(n = 1): number {
  if (n >= 1 && n <= CHOICES_MAX) return n;
  throw new HttpError(400, `'n' must be between 1 and ${CHOICES_MAX}`, { param: "n" });
}

const EFFORTS: Readonly<Record<string, "low" | "medium" | "high" | "max" | false>> = {
  none: false,
  minimal: "low",
  low: "low",
  medium: "medium",
  high: "high",
  xhigh: "max",
  ultra: "max",
  max: "max",
};

/** How much to think; undefined leaves it to the model. */
export function parseEffort(
  effort = "",
  param = "reasoning_effort",
): "low" | "medium" | "high" | "max" | false | undefined {
  if (effort === "") return undefined;
  const think = Object.hasOwn(EFFORTS, effort) ? EFFORTS[effort] : undefined;
  if (think !== undefined) return think;
  throw new HttpError(
    400,
    `invalid reasoning value: ${JSON.stringify(effort)} (must be "minimal", "low", "medium", "high", "xhigh", "ultra", "max", or "none")`,
    { param },
  );
}

/** What the answer's JSON must look like; {"type":"text"} asks for nothing. */
export function parseResponseFormat(
  format: Readonly<Record<string, unknown>> | undefined,
  param = "response_format",
): JsonFormat | undefined {
  const type = format?.["type"];
  if (format === undefined || type === undefined || type === "text") return undefined;
  if (type === "json_object") return "json";
  const refuse = (what: string): HttpError =>
    new HttpError(400, `invalid ${param}: ${what}`, { param });
  if (type !== "json_schema") {
    throw refuse(`${JSON.stringify(type)} is none of "text", "json_object" and "json_schema"`);
  }
  const given = format["json_schema"];
  const schema = isRecord(given) ? given["schema"] : undefined;
  if (!isRecord(schema)) throw refuse("json_schema.schema must be an object");
  return schema;
}
