import type { Waiting } from "../core/ports.ts";
import { parseBearerChallenge } from "./challenge.ts";
import { invalid, unauthorized } from "./errors.ts";
import { type Incoming, type Outgoing, send } from "./http.ts";
import { fetchToken, type TokenDeps } from "./token.ts";

const REDIRECTS_MAX = 10;
export const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/**
 * Talks with one registry for one pull or push: asks for a token when it is told to, follows redirects of what it reads.
 * The token goes to the registry and to nobody else.
 */
export class RegistrySession {
  /** Scheme, host and port; the path is `/`. */
  readonly registry: URL;
  readonly #deps: TokenDeps;
  #token: string | undefined;
  #renewal: Promise<void> | undefined;

  constructor(registry: URL, deps: TokenDeps) {
    this.registry = registry;
    this.#deps = deps;
  }

  isRegistry({ origin }: URL): boolean {
    return origin === this.registry.origin;
  }

  /** The answer, whatever its status, after redirects and with a token where one is wanted. */
  async request(outgoing: Outgoing, o: Waiting): Promise<Incoming> {
    let { url } = outgoing;
    for (let redirects = 0; ; redirects++) {
      const reply = await this.#authorized({ ...outgoing, url }, o);
      const target = targetOf(outgoing, reply);
      if (!target) return reply;
      reply[Symbol.dispose]();
      if (redirects === REDIRECTS_MAX) throw invalid(`stopped after ${REDIRECTS_MAX} redirects`);
      url = this.checked(target);
    }
  }

  /** Refuses what would send bytes or questions where TLS does not protect them although the registry is reached by it. */
  checked(target: URL): URL {
    const allowed = this.registry.protocol === "https:" ? ["https:"] : ["http:", "https:"];
    if (allowed.includes(target.protocol)) return target;
    throw invalid(`${this.registry.host} redirects to ${target.protocol}//${target.host}`);
  }

  async #authorized(outgoing: Outgoing, o: Waiting): Promise<Incoming> {
    const used = this.#token;
    const reply = await this.#send(outgoing, o);
    if (reply.status !== 401 || !this.isRegistry(outgoing.url)) return reply;
    reply[Symbol.dispose]();
    const challenge = parseBearerChallenge(reply.headers["www-authenticate"] ?? "");
    if (!challenge) throw unauthorized();
    // Of many requests that were refused at once, one asks.
    if (this.#token === used) {
      this.#renewal ??= fetchToken(challenge, this.registry, this.#deps, o)
        .then((token) => {
          this.#token = token;
        })
        .finally(() => {
          this.#renewal = undefined;
        });
      await this.#renewal;
    }
    const second = await this.#send(outgoing, o);
    if (second.status !== 401) return second;
    second[Symbol.dispose]();
    throw unauthorized();
  }

  #send(outgoing: Outgoing, o: Waiting): Promise<Incoming> {
    const mayKnow = this.#token !== undefined && this.isRegistry(outgoing.url);
    const headers = {
      "User-Agent": this.#deps.userAgent,
      ...outgoing.headers,
      ...(mayKnow && { Authorization: `Bearer ${this.#token}` }),
    };
    return send({ ...outgoing, headers }, this.#deps.clock, o);
  }
}

function targetOf({ method }: Outgoing, { status, headers, url }: Incoming): URL | undefined {
  const { location } = headers;
  if (method !== "GET" || !REDIRECTS.has(status) || location === undefined) return undefined;
  const target = URL.parse(location, url.href);
  if (!target) throw invalid(`${url.host} redirects to what is no address`);
  return target;
}
