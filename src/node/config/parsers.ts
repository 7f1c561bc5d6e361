import { isIP } from "node:net";
import { parseGoDuration } from "../../core/duration.ts";

/** Each reads one variable's text; undefined means that the text is not allowed. */

export const wholeNumber =
  (min: number, max: number) =>
  (text: string): number | undefined => {
    const value = Number(text);
    return /^\d+$/.test(text) && value >= min && value <= max ? value : undefined;
  };

export const port = wholeNumber(0, 65_535);

export function ipAddress(text: string): string | undefined {
  return isIP(text) === 0 ? undefined : text;
}

export const oneOf =
  <const T extends string>(choices: readonly T[]) =>
  (text: string): T | undefined =>
    choices.find((choice) => choice === text.toLowerCase());

export function boolean(text: string): boolean | undefined {
  if (/^(1|true|yes|on)$/i.test(text)) return true;
  return /^(0|false|no|off)$/i.test(text) ? false : undefined;
}

/** A Go duration or a number of seconds, in milliseconds. Zero and negative mean "for ever" where `endless` says so. */
export const duration =
  (endless: "negative" | "zero or negative" | "never") =>
  (text: string): number | undefined => {
    const ms = durationMs(text);
    if (ms === undefined || Number.isNaN(ms)) return undefined;
    if (ms < 0) return endless === "never" ? undefined : Number.POSITIVE_INFINITY;
    return ms === 0 && endless === "zero or negative" ? Number.POSITIVE_INFINITY : ms;
  };

function durationMs(text: string): number | undefined {
  if (/^-?\d+(\.\d+)?$/.test(text)) return Number(text) * 1_000;
  try {
    return parseGoDuration(text);
  } catch {
    return undefined;
  }
}

export function list(text: string): readonly string[] {
  return text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
}

const MULTIADDR =
  /^(\/(ip4|ip6|dns|dns4|dns6|dnsaddr)\/[^/]+)(\/tcp\/\d{1,5})?(\/p2p\/[1-9A-Za-z]+)?$/;

export function multiaddrs(text: string): readonly string[] | undefined {
  const items = list(text);
  return items.every((item) => MULTIADDR.test(item)) ? items : undefined;
}

/** 32 bytes in base64url, kept as text; the mesh decodes it. */
export function clusterKey(text: string): string | undefined {
  const bytes = Buffer.from(text, "base64url");
  return bytes.length === 32 && bytes.toString("base64url") === text.replace(/=+$/, "")
    ? bytes.toString("base64url")
    : undefined;
}

export function hostName(text: string): string | undefined {
  return /^[A-Za-z0-9_.:%-]{1,253}$/.test(text) ? text : undefined;
}

export interface HostForm {
  readonly host: string;
  readonly port?: number;
}

const SCHEME_PORTS: Record<string, number> = { http: 80, https: 443 };
export const HOST_FORMS =
  "[http://]host[:port], such as 127.0.0.1, 0.0.0.0:11434, :11434 or [::1]:11434";

/** Ollama's OLLAMA_HOST: [scheme://]host[:port][/path], :port, a bare address of either family; also in quotes. */
export function hostForm(text: string): HostForm | undefined {
  const [, scheme, rest = ""] = /^(?:([a-z]+):\/\/)?(.*)$/i.exec(bare(text)) ?? [];
  const schemePort = scheme ? SCHEME_PORTS[scheme.toLowerCase()] : undefined;
  if (scheme && schemePort === undefined) return undefined;
  const authority = rest.split("/")[0] ?? "";
  const [host, portText] = splitAuthority(authority);
  const portNumber = portText === undefined ? schemePort : port(portText);
  if (portText !== undefined && portNumber === undefined) return undefined;
  if (host !== "" && hostName(host) === undefined) return undefined;
  const address = { host: host === "" ? "127.0.0.1" : host };
  return portNumber === undefined ? address : { ...address, port: portNumber };
}

/** Addresses that a node binds and nobody can call. */
const ANY_ADDRESS: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "::1" };

/** The URL of the node that OLLAMA_HOST means, without a slash at its end; the path of a proxy may belong to it. */
export function hostUrl(text: string, defaultPort: number): string | undefined {
  const form = hostForm(text);
  if (!form) return undefined;
  const [, scheme = "http", path = ""] = /^(?:([a-z]+):\/\/)?[^/]*(.*)$/i.exec(bare(text)) ?? [];
  const host = ANY_ADDRESS[form.host] ?? form.host;
  const authority = `${host.includes(":") ? `[${host}]` : host}:${form.port ?? defaultPort}`;
  const url = URL.parse(`${scheme}://${authority}${path}`);
  return url?.search === "" && url.hash === "" ? url.href.replace(/\/+$/, "") : undefined;
}

/** Quotes that a shell or a file of variables has left. */
function bare(text: string): string {
  return text
    .trim()
    .replace(/^["']+|["']+$/g, "")
    .trim();
}

function splitAuthority(authority: string): [host: string, port: string | undefined] {
  const bracketed = /^\[([^\]]+)\](?::(.*))?$/.exec(authority);
  if (bracketed) return [bracketed[1] ?? "", bracketed[2]];
  const colons = authority.split(":").length - 1;
  if (colons !== 1) return [authority, undefined];
  const [host = "", portText = ""] = authority.split(":");
  return [host, portText];
}
