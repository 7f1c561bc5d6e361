import { createHash, createPublicKey, type KeyObject, randomBytes, sign } from "node:crypto";
import { z } from "zod";
import type { Clock } from "../core/clock.ts";
import { ManagementError } from "../core/management.ts";
import type { Waiting } from "../core/ports.ts";
import type { BearerChallenge } from "./challenge.ts";
import { invalid } from "./errors.ts";
import { type Incoming, readAtMost, send } from "./http.ts";

export interface TokenDeps {
  readonly clock: Clock;
  readonly userAgent: string;
  /** An Ed25519 private key: who we are to registries of Ollama's kind. */
  readonly identity?: KeyObject;
}

const REPLY_BYTES_MAX = 256 * 1024;
const NONCE_BYTES = 16;

const token = z.string().regex(/^[\x21-\x7e]{1,65536}$/);
const replySchema = z
  .union([z.object({ token }), z.object({ access_token: token })])
  .transform((reply) => ("token" in reply ? reply.token : reply.access_token));

/**
 * Asks for the token that a registry wants. Only where the registry itself gives tokens do we say who we are, in Ollama's way
 * (server/auth.go); anybody else is asked without a name, as for a public image.
 */
export async function fetchToken(
  challenge: BearerChallenge,
  registry: URL,
  deps: TokenDeps,
  o: Waiting,
): Promise<string> {
  const realm = realmOf(challenge, registry);
  const isOwn = realm.host === registry.host;
  const identity = isOwn ? deps.identity : undefined;
  const url = tokenUrl(realm, challenge, identity && Math.floor(deps.clock.wallMs() / 1_000));
  const headers = {
    "User-Agent": deps.userAgent,
    ...(identity && { Authorization: signatureOf(url, identity) }),
  };
  using reply = await send({ method: "GET", url, headers }, deps.clock, o);
  if (reply.status !== 200) throw await refusal(reply, isOwn, realm, registry);
  const { bytes, isWhole } = await readAtMost(reply, REPLY_BYTES_MAX);
  const parsed = replySchema.safeParse(isWhole ? parseJson(bytes) : undefined);
  if (!parsed.success) throw invalid(`${realm.host} answered with no token`);
  return parsed.data;
}

function realmOf({ realm }: BearerChallenge, registry: URL): URL {
  const url = URL.parse(realm);
  const allowed = registry.protocol === "https:" ? ["https:"] : ["http:", "https:"];
  if (!url || !allowed.includes(url.protocol) || url.username !== "" || url.password !== "") {
    throw invalid(`${registry.host} names a place for tokens that cannot be used`);
  }
  return url;
}

/** Parameters in the order of Go's `url.Values.Encode`. */
function tokenUrl(realm: URL, { service, scopes }: BearerChallenge, signedSeconds?: number): URL {
  const url = new URL(realm);
  url.hash = "";
  if (service !== undefined) url.searchParams.append("service", service);
  for (const scope of scopes) url.searchParams.append("scope", scope);
  if (signedSeconds !== undefined) {
    url.searchParams.append("ts", String(signedSeconds));
    url.searchParams.append("nonce", randomBytes(NONCE_BYTES).toString("base64url"));
  }
  url.searchParams.sort();
  return url;
}

/** `<public key>:<signature>`, both in base64; signed are method, URL and the hash of an empty body. */
function signatureOf(url: URL, identity: KeyObject): string {
  const emptyHash = createHash("sha256").digest("hex");
  const signed = `GET,${url.href},${Buffer.from(emptyHash).toString("base64")}`;
  const signature = sign(null, Buffer.from(signed), identity).toString("base64");
  return `${sshKeyBlob(identity).toString("base64")}:${signature}`;
}

/** RFC 8709 §4: the key as it stands in a `.pub` file. */
function sshKeyBlob(identity: KeyObject): Buffer {
  const { x = "" } = createPublicKey(identity).export({ format: "jwk" });
  return Buffer.concat(["ssh-ed25519", Buffer.from(x, "base64url")].flatMap(sshString));
}

function sshString(value: string | Buffer): Buffer[] {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return [length, bytes];
}

async function refusal(
  reply: Incoming,
  isOwn: boolean,
  realm: URL,
  registry: URL,
): Promise<ManagementError> {
  const text = isOwn
    ? `${reply.status}: ${(await readAtMost(reply, 4_096)).bytes.toString().trim()}`
    : `realm host "${realm.host}" does not match original host "${registry.host}"`;
  return new ManagementError("REGISTRY_UNAUTHORIZED", text);
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
}
