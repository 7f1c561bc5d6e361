import type { ChainableCommander } from "ioredis";
import type { Random } from "../core/random.ts";
import type { RedisOptions } from "./options.ts";
import type { Place } from "./place.ts";
import type { RedisConnection } from "./redis-connection.ts";
import { RedisLink, type RedisLinkDeps } from "./redis-link.ts";

/** The state of a scope that a value is made from, and what is kept of it. */
export interface Reading {
  readonly token: string;
  readonly text: string | undefined;
}

export interface RedisEntriesDeps extends Omit<RedisLinkDeps, "onMessage" | "onUp"> {
  /** Something has changed in a scope, or anything anywhere. */
  readonly onChange: (scope: string | "everything") => void;
}

const EVERYTHING = "everything";
const TOKEN_TTL_MS = 86_400_000;
const MESSAGE_LENGTH_MAX = 200;

/**
 * Entries in Redis, and how a change outdates them ("Scaling Memcache at Facebook", §3.2.1 and §4.3, has the two races).
 *
 * 1. Each scope has a token, a random number that whoever finds none plants; so has everything together.
 * 2. Who reads, reads both tokens and the entry at once. An entry counts only if it carries the tokens of now.
 * 3. Who finds none makes the value and keeps it with the tokens that it read *before*.
 * 4. A change removes the scope's token, then tells all nodes. What was made from the state before it, by whichever node
 *    and however late it is kept, carries a token that never comes back. The same holds when Redis forgets a token.
 * 5. A change that could not be told outdates everything as soon as Redis is back: what was missed need not be remembered.
 */
export class RedisEntries implements AsyncDisposable {
  readonly link: RedisLink;
  readonly #random: Random;
  readonly #debt: Debt;

  private constructor(link: RedisLink, random: Random, debt: Debt) {
    this.link = link;
    this.#random = random;
    this.#debt = debt;
  }

  static open(options: RedisOptions, deps: RedisEntriesDeps): RedisEntries {
    const debt: Debt = { owesChange: false };
    const link = RedisLink.open(options, {
      ...deps,
      onMessage: (text) => text.length <= MESSAGE_LENGTH_MAX && deps.onChange(text),
      onUp: (connection) => settle(debt, connection),
    });
    return new RedisEntries(link, deps.random, debt);
  }

  /** Undefined: go without Redis. */
  async read(place: Place): Promise<Reading | undefined> {
    return await this.link.ask("read", async (connection) => {
      const keys = keysOf(connection, place.scope);
      const entry = connection.key(place.entry);
      const found = await connection.commands.mget(keys.everything, keys.scope, entry);
      const [everything, scope, text] = found;
      if (everything && scope) return { token: `${everything}.${scope}`, text: text ?? undefined };
      const planted = await this.#plantTokens(connection, keys);
      return planted === undefined ? undefined : { token: planted, text: undefined };
    });
  }

  /** Nobody waits for it. */
  keep(place: Place, text: string, ttlMs: number): void {
    void this.link.ask("keep", (connection) =>
      connection.commands.set(connection.key(place.entry), text, "PX", Math.ceil(ttlMs)),
    );
  }

  async outdate(scope: string): Promise<void> {
    const isTold = await this.link.tell("outdate", (connection) =>
      tellChange(connection, keysOf(connection, scope).scope, scope),
    );
    if (!isTold) this.#debt.owesChange = true;
  }

  /** Those that another node planted first stay. */
  async #plantTokens(connection: RedisConnection, keys: TokenKeys): Promise<string | undefined> {
    const plant = (batch: ChainableCommander, key: string): ChainableCommander =>
      batch.set(key, this.#token(), "PX", TOKEN_TTL_MS, "NX");
    const batch = plant(plant(connection.commands.pipeline(), keys.everything), keys.scope);
    const replies = await repliesOf(batch.mget(keys.everything, keys.scope));
    const tokens = replies.at(-1);
    return Array.isArray(tokens) && tokens.every(Boolean) ? tokens.join(".") : undefined;
  }

  #token(): string {
    return [1, 2].map(() => this.#random.next().toString(36).slice(2)).join("");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.link[Symbol.asyncDispose]();
  }
}

interface Debt {
  /** A change was not told. */
  owesChange: boolean;
}

async function settle(debt: Debt, connection: RedisConnection): Promise<void> {
  if (!debt.owesChange) return;
  debt.owesChange = false;
  try {
    await tellChange(connection, keysOf(connection, "").everything, EVERYTHING);
  } catch (error) {
    debt.owesChange = true;
    throw error;
  }
}

interface TokenKeys {
  readonly everything: string;
  readonly scope: string;
}

function keysOf(connection: RedisConnection, scope: string): TokenKeys {
  return { everything: connection.key("token"), scope: connection.key(`token:${scope}`) };
}

/** In this order: who hears of it and reads again finds the token gone. */
async function tellChange(
  connection: RedisConnection,
  tokenKey: string,
  message: string,
): Promise<void> {
  const batch = connection.commands.pipeline().unlink(tokenKey);
  await repliesOf(batch.publish(connection.channel, message));
}

async function repliesOf(batch: ChainableCommander): Promise<unknown[]> {
  const replies = (await batch.exec()) ?? [];
  for (const [error] of replies) if (error) throw error;
  return replies.map(([, reply]) => reply);
}
