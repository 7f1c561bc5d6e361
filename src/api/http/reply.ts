import type { Route } from "../../core/inference.ts";
import { goJson } from "../json/go-json.ts";
import { wholeReply } from "./whole-reply.ts";

/** A whole JSON answer, as gin writes it. */
export function jsonReply(
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return wholeReply(goJson(value), {
    headers: { "Content-Type": "application/json; charset=utf-8", ...headers },
  });
}

/** Which node answered and what finding it cost. */
export function routeHeaders(route: Route | undefined): Record<string, string> {
  if (!route) return {};
  return {
    "X-OllamaMax-Node": route.node,
    "X-OllamaMax-Attempts": String(route.attempts),
    "X-OllamaMax-Overhead-Ms": route.overheadMs.toFixed(2),
  };
}
