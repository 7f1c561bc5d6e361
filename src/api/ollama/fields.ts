import { parseKeepAlive } from "../../core/duration.ts";
import type { JsonFormat } from "../../core/inference.ts";
import { HttpError } from "../http/http-error.ts";
import { isRecord, kindOf, type Shape } from "../json/decode.ts";
import { JsonError } from "../json/scan.ts";

/** The shapes that several of Ollama's requests share. */

/** Milliseconds; Infinity for ever. Seconds as a number or a Go duration; negative means for ever. */
export const KEEP_ALIVE: Shape = {
  custom: (value) => {
    if (typeof value === "number" || typeof value === "string") return parseKeepAlive(value);
    throw new JsonError(`Unsupported type: '${typeof value}'`);
  },
};

const THINK_LEVELS = ["high", "medium", "low", "max"] as const;
export type Think = boolean | (typeof THINK_LEVELS)[number];

export const THINK: Shape = {
  custom: (value) => {
    const level = THINK_LEVELS.find((known) => known === value);
    if (typeof value === "boolean") return value;
    if (level) return level;
    if (typeof value !== "string") throw new JsonError("think must be a boolean or string");
    throw new JsonError(
      `invalid think value: "${value}" (must be "high", "medium", "low", "max", true, or false)`,
    );
  },
};

/** Standard base64, as Go's decoder takes it: with padding, line ends ignored. */
export const IMAGES: Shape = {
  list: {
    custom: (value, path) => {
      if (typeof value !== "string") {
        throw new JsonError(
          `json: cannot unmarshal ${kindOf(value)} into Go struct field ${path} of type []uint8`,
        );
      }
      const text = value.replace(/[\r\n]/g, "");
      const bad = text.search(/[^A-Za-z0-9+/=]|=(?!=?$)/);
      if (bad >= 0) throw new JsonError(`illegal base64 data at input byte ${bad}`);
      if (text.length % 4 !== 0) {
        throw new JsonError(`illegal base64 data at input byte ${text.length - (text.length % 4)}`);
      }
      return text;
    },
  },
};

export const OPTIONS: Shape = {
  custom: (value, path) => {
    if (isRecord(value)) return value;
    throw new JsonError(
      `json: cannot unmarshal ${kindOf(value)} into Go struct field ${path} of type map[string]interface {}`,
    );
  },
};

const LOGPROBS_TOP_MAX = 20;

/** Checked before anything else of a request. */
export function parseLogprobs(
  wanted: unknown,
  top: unknown,
): { readonly logprobs?: { readonly top: number } } {
  const count = typeof top === "number" ? top : 0;
  if (count < 0 || count > LOGPROBS_TOP_MAX) {
    throw new HttpError(400, "top_logprobs must be between 0 and 20");
  }
  return wanted === true ? { logprobs: { top: count } } : {};
}

/** "json", a JSON Schema, or nothing (null and the empty string). */
export function parseFormat(value: unknown): { readonly format?: JsonFormat } {
  if (value === undefined || value === null || value === "") return {};
  if (value === "json") return { format: "json" };
  if (isRecord(value)) return { format: value };
  throw new HttpError(
    500,
    `invalid format: ${JSON.stringify(JSON.stringify(value))}; expected "json" or a valid JSON Schema object`,
  );
}
