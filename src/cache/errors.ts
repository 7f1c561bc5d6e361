import { AppError, messageOf } from "../core/errors.ts";
import type { RedisOptions } from "./options.ts";

/** Each message is one sentence with the cause and the next step; no password is in any. */
export type RedisErrorCode =
  | "REDIS_UNREACHABLE"
  | "REDIS_SILENT"
  | "REDIS_AUTH_FAILED"
  | "REDIS_TLS_FAILED"
  | "REDIS_REFUSED";

export class RedisError extends AppError<RedisErrorCode> {}

type Address = Pick<RedisOptions, "host" | "port" | "tls">;

export function silent(address: Address, timeoutMs: number): RedisError {
  const setting = address.tls ? ", or check OLLAMA_REDIS_TLS" : "";
  return new RedisError(
    "REDIS_SILENT",
    `Redis at ${at(address)} does not answer within ${timeoutMs} ms: look after the server and the network to it${setting}`,
  );
}

/** What failed, from Redis's own replies (https://redis.io/docs/latest/develop/reference/protocol-spec/) and Node's codes. */
export function toRedisError(error: unknown, address: Address): RedisError {
  if (error instanceof RedisError) return error;
  const place = at(address);
  const text = messageOf(error);
  const code = text.startsWith("Protocol error") ? "no Redis answers there" : codeOf(error);
  const [word = ""] = text.split(" ", 1);
  if (["WRONGPASS", "NOAUTH", "NOPERM"].includes(word) || text.includes("invalid password")) {
    const refused =
      word === "NOPERM"
        ? "does not let this user in to what a cache needs"
        : "refuses the password";
    return new RedisError(
      "REDIS_AUTH_FAILED",
      `Redis at ${place} ${refused}: check OLLAMA_REDIS_PASSWORD and the server's users`,
      { cause: error },
    );
  }
  if (isReply(error)) {
    return new RedisError(
      "REDIS_REFUSED",
      `Redis at ${place} refuses a command (${text.slice(0, REPLY_LENGTH_MAX)}): look after the server`,
      { cause: error },
    );
  }
  if (/^(ERR_SSL|ERR_TLS|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|EPROTO)/.test(code)) {
    return new RedisError(
      "REDIS_TLS_FAILED",
      `no TLS with Redis at ${place} (${code}): check OLLAMA_REDIS_TLS and the server's certificate; NODE_EXTRA_CA_CERTS names further authorities`,
      { cause: error },
    );
  }
  return new RedisError(
    "REDIS_UNREACHABLE",
    `Redis at ${place} cannot be reached (${code || text.slice(0, REPLY_LENGTH_MAX)}): start it, or check OLLAMA_REDIS_HOST, OLLAMA_REDIS_PORT and OLLAMA_REDIS_TLS`,
    { cause: error },
  );
}

const REPLY_LENGTH_MAX = 100;

function at({ host, port }: Address): string {
  return `${host}:${port}`;
}

/** ioredis: what the server itself answered. */
function isReply(error: unknown): boolean {
  return error instanceof Error && error.name === "ReplyError";
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
