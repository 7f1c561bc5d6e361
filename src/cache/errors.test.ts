import t from "tap";
import { RedisError, toRedisError } from "./errors.ts";

const address = { host: "redis.example", port: 6379, tls: false };
const reply = (message: string): Error => Object.assign(new Error(message), { name: "ReplyError" });
const coded = (code: string): Error => Object.assign(new Error("x"), { code });

t.test("each failure has a code, its cause and the next step", (t) => {
  const rows: readonly [unknown, code: string, message: RegExp][] = [
    [
      reply("WRONGPASS invalid username-password pair"),
      "REDIS_AUTH_FAILED",
      /OLLAMA_REDIS_PASSWORD/,
    ],
    [reply("NOAUTH Authentication required."), "REDIS_AUTH_FAILED", /OLLAMA_REDIS_PASSWORD/],
    [reply("ERR invalid password"), "REDIS_AUTH_FAILED", /OLLAMA_REDIS_PASSWORD/],
    [reply("NOPERM this user has no permissions"), "REDIS_AUTH_FAILED", /does not let this user/],
    [reply("LOADING Redis is loading"), "REDIS_REFUSED", /\(LOADING Redis is loading\)/],
    [reply("READONLY You can't write"), "REDIS_REFUSED", /READONLY/],
    [coded("ECONNREFUSED"), "REDIS_UNREACHABLE", /redis\.example:6379.*\(ECONNREFUSED\): start it/],
    [coded("ENOTFOUND"), "REDIS_UNREACHABLE", /OLLAMA_REDIS_HOST/],
    [coded("CERT_HAS_EXPIRED"), "REDIS_TLS_FAILED", /NODE_EXTRA_CA_CERTS/],
    [coded("ERR_TLS_CERT_ALTNAME_INVALID"), "REDIS_TLS_FAILED", /OLLAMA_REDIS_TLS/],
    [new Error("Protocol error, got H"), "REDIS_UNREACHABLE", /no Redis answers there/],
    ["odd", "REDIS_UNREACHABLE", /\(odd\)/],
  ];
  for (const [error, code, message] of rows) {
    t.match(toRedisError(error, address), { code, message }, String(error));
  }
  const known = new RedisError("REDIS_SILENT", "x");
  t.equal(toRedisError(known, address), known);
  t.end();
});
