import { parseKeepAlive } from "../../core/duration.ts";
import { type JsonFormat, LOGPROBS_TOP_MAX } from "../../core/inference.ts";
import { HttpError } from "../http/http-error.ts";
import { isRecord, mismatch, type Shape } from "../json/decode.ts";
import { JsonError } from "../json/scan.ts";

/** The shapes that several of Ollama's requests share. */

/** Milliseconds; Infinity for ever. Seconds as a number or a Go duration; negative means for ever. */
export const KEEP_ALIVE: Shape = {
  type: "api.Duration",
  custom: (value) => {
    if (typeof value === "number" || typeof value === "string") return parseKeepAlive(value);
    throw new JsonError(`Unsupported type: '${goTypeOf(value)}'`);
  },
};

/** Of a value that Go decoded without being told a type. */
function goTypeOf(value: unknown): string {
  if (typeof value === "boolean") return "bool";
  return Array.isArray(value) ? "[]interface {}" : "map[string]interface {}";
}

const THINK_LEVELS = ["high", "medium", "low", "max"] as const;
export type Think = boolean | (typeof THINK_LEVELS)[number];

export const THINK: Shape = {
  type: "api.ThinkValue",
  custom: (value) => {
    const level = THINK_LEVELS.find((name) => name === value);
    if (typeof value === "boolean") return value;
    if (level) return level;
    const known = '"high", "medium", "low", "max", true, or false';
    throw new JsonError(
      typeof value === "string"
        ? `invalid think value: ${JSON.stringify(value)} (must be ${known})`
        : `think must be a boolean or string (${known})`,
    );
  },
};

/** Standard base64, as Go's decoder takes it: with padding, line ends ignored. */
export const IMAGES: Shape = {
  list: {
    type: "api.ImageData",
    zero: "",
    custom: (value, path) => {
      if (typeof value !== "string") throw mismatch(value, path, "api.ImageData");
      const text = value.replace(/[\r\n]/g, "");
      const bad = illegalBase64At(text);
      if (bad !== undefined) throw new JsonError(`illegal base64 data at input byte ${bad}`);
      return text;
    },
  },
};

export function isBase64(text: string): boolean {
  return illegalBase64At(text.replace(/[\r\n]/g, "")) === undefined;
}

/** Where Go's decoder (encoding/base64, StdEncoding) would stop. */
function illegalBase64At(text: string): number | undefined {
  const end = /[^A-Za-z0-9+/]|$/.exec(text)?.index ?? 0;
  const tail = text.slice(end);
  const inQuantum = end % 4;
  if (tail === "") return inQuantum === 0 ? undefined : end - inQuantum;
  if (!tail.startsWith("=") || inQuantum < 2) return end;
  const padding = 4 - inQuantum;
  if (tail.length < padding) return text.length;
  if (padding === 2 && tail[1] !== "=") return end;
  return tail.length === padding ? undefined : end + padding;
}

/** A JSON object with any fields. */
export const OBJECT: Shape = {
  type: "map[string]interface {}",
  // In a list it stands for a struct that is read by hand.
  zero: {},
  custom: (value, path) => {
    if (isRecord(value)) return value;
    throw mismatch(value, path, "map[string]interface {}");
  },
};

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
