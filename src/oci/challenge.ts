/** What a registry asks a token for (RFC 6750 §3, and the token protocol of the Distribution project). */
export interface BearerChallenge {
  readonly realm: string;
  readonly service: string | undefined;
  readonly scopes: readonly string[];
}

const HEADER_LENGTH_MAX = 8_192;
const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
/** A parameter, or the name of a scheme with the one value that some schemes have instead of parameters. */
const ITEM = new RegExp(
  `[\\s,]*(?:(?<key>${TOKEN})\\s*=\\s*(?:"(?<quoted>(?:[^"\\\\]|\\\\.)*)"|(?<bare>${TOKEN})(?=[\\s,]|$))` +
    `|(?<scheme>${TOKEN})(?=[\\s,]|$)(?: +[A-Za-z0-9._~+/-]+=*(?=\\s*(?:,|$)))?)`,
  "y",
);

/** The first Bearer challenge of a WWW-Authenticate header (RFC 9110 §11.6.1), which may hold others too. */
export function parseBearerChallenge(header: string): BearerChallenge | undefined {
  if (header.length > HEADER_LENGTH_MAX) return undefined;
  const parameters = bearerParameters(header);
  const realm = parameters?.get("realm");
  if (!parameters || !realm) return undefined;
  return {
    realm,
    service: parameters.get("service"),
    scopes: (parameters.get("scope") ?? "").split(" ").filter((scope) => scope !== ""),
  };
}

function bearerParameters(header: string): ReadonlyMap<string, string> | undefined {
  let found: Map<string, string> | undefined;
  let isBearer = false;
  for (const { scheme, key, quoted, bare } of items(header)) {
    if (scheme !== undefined) {
      if (found) return found;
      isBearer = scheme.toLowerCase() === "bearer";
      if (isBearer) found = new Map();
    } else if (isBearer && key !== undefined && !found?.has(key.toLowerCase())) {
      found?.set(key.toLowerCase(), quoted?.replaceAll(/\\(.)/g, "$1") ?? bare ?? "");
    }
  }
  return found;
}

function* items(header: string): Iterable<Readonly<Record<string, string | undefined>>> {
  const pattern = new RegExp(ITEM);
  for (let match = pattern.exec(header); match; match = pattern.exec(header)) {
    yield match.groups ?? {};
  }
}
