import { readFileSync } from "node:fs";

const PAGE = readFileSync(new URL("./page.html", import.meta.url));
const HEADERS = {
  "Content-Type": "text/html; charset=utf-8",
  "Cache-Control": "no-cache",
  // The page holds all that it needs: nothing from elsewhere may run in it.
  "Content-Security-Policy":
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; img-src data:; frame-ancestors 'none'",
  "X-Content-Type-Options": "nosniff",
};

/** The page; undefined when the request is for something else. */
export function dashboardReply(request: Request): Response | undefined {
  const { pathname } = new URL(request.url);
  if (pathname !== "/" || (request.method !== "GET" && request.method !== "HEAD")) return undefined;
  return new Response(PAGE, { headers: HEADERS });
}
