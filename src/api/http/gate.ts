import { isIP } from "node:net";
import { hostname, networkInterfaces } from "node:os";

/**
 * Who may call from a browser, as Ollama decides it. On loopback the Host header must name this machine, so that a page
 * cannot reach the API through a name of its own that points here (DNS rebinding).
 */
export interface Gate {
  readonly loopback: boolean;
  readonly origins: readonly RegExp[];
}

const LOCAL_NAMES = ["localhost", "127.0.0.1", "0.0.0.0"];
const LOCAL_SCHEMES = ["app", "file", "tauri", "vscode-webview", "vscode-file"];
const LOCAL_SUFFIXES = [".localhost", ".local", ".internal"];
const ALLOWED_HEADERS = [
  ...["Authorization", "Content-Type", "User-Agent", "Accept", "X-Requested-With", "OpenAI-Beta"],
  ...["x-api-key", "anthropic-version", "anthropic-beta"],
  "anthropic-dangerous-direct-browser-access",
  ...[
    "arch",
    "async",
    "custom-poll-interval",
    "helper-method",
    "lang",
    "os",
    "package-version",
  ].map((name) => `x-stainless-${name}`),
  ...["poll-helper", "retry-count", "runtime", "runtime-version", "timeout"].map(
    (name) => `x-stainless-${name}`,
  ),
];
const MAX_AGE_S = 12 * 60 * 60;

/** Asked once: it does not change while a node runs. */
const OWN_NAME = hostname().toLowerCase();

export function gateOf(boundHost: string, origins: readonly string[]): Gate {
  const local = LOCAL_NAMES.flatMap((name) =>
    ["http", "https"].flatMap((scheme) => [`${scheme}://${name}`, `${scheme}://${name}:*`]),
  );
  const schemes = LOCAL_SCHEMES.map((scheme) => `${scheme}://*`);
  return {
    loopback: boundHost === "localhost" || /^(127\.|::1$)/.test(boundHost),
    origins: [...origins, ...local, ...schemes].map(patternOf),
  };
}

/** One "*" stands for anything. */
function patternOf(origin: string): RegExp {
  const parts = origin.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`, "i");
}

/** True of a Host header that means this machine. */
export function isAllowedHost(gate: Gate, header: string | undefined): boolean {
  if (!gate.loopback || !header) return true;
  const host = (/^\[([^\]]+)\]/.exec(header)?.[1] ?? header.replace(/:\d*$/, "")).toLowerCase();
  if (host === "" || host === "localhost" || host === OWN_NAME) return true;
  if (LOCAL_SUFFIXES.some((suffix) => host.endsWith(suffix))) return true;
  return isIP(host) !== 0 && isPrivateAddress(host);
}

const PRIVATE = /^(127\.|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|0\.0\.0\.0$|::1?$|f[cd])/;

function isPrivateAddress(address: string): boolean {
  if (PRIVATE.test(address)) return true;
  return Object.values(networkInterfaces()).some((list) =>
    list?.some((entry) => entry.address === address),
  );
}

export type CrossOrigin = "same" | "allowed" | "refused";

/** A page of the same origin is not asked for anything. */
export function judgeOrigin(gate: Gate, origin: string | undefined, host: string): CrossOrigin {
  if (!origin || origin === `http://${host}` || origin === `https://${host}`) return "same";
  return gate.origins.some((pattern) => pattern.test(origin)) ? "allowed" : "refused";
}

export function corsHeaders(origin: string, preflight: boolean): Record<string, string> {
  const simple = { "Access-Control-Allow-Origin": origin, Vary: "Origin" };
  if (!preflight) return simple;
  return {
    ...simple,
    "Access-Control-Allow-Methods": "GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS",
    "Access-Control-Allow-Headers": ALLOWED_HEADERS.join(","),
    "Access-Control-Max-Age": String(MAX_AGE_S),
  };
}
