import { readFileSync } from "node:fs";
import { openApiDocument, type RouteRow } from "./document.ts";

const PAGE = readFileSync(new URL("./docs.html", import.meta.url));
const HEADERS = {
  "Content-Type": "text/html; charset=utf-8",
  "Cache-Control": "no-cache",
  // The page holds all that it needs: nothing from elsewhere may run in it.
  "Content-Security-Policy":
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'",
  "X-Content-Type-Options": "nosniff",
};

/** GET /openapi.json */
export function openApi(routes: readonly RouteRow[], version: string): Response {
  return new Response(JSON.stringify(openApiDocument(routes, version)), {
    headers: { "Content-Type": "application/json; charset=utf-8" },
  });
}

/** GET /docs */
export function docs(): Response {
  return new Response(PAGE, { headers: HEADERS });
}
