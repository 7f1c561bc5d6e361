import { createHash } from "node:crypto";
import fc from "fast-check";
import t from "tap";
import { hashOf, makeApiKey, parseApiKey } from "./api-key.ts";

const KEY = `omx_0123456789abcdef_${"A".repeat(43)}`;

t.test("a key is made once and never again", (t) => {
  const keys = Array.from({ length: 100 }, makeApiKey);
  for (const { text, prefix, hash } of keys) {
    t.match(text, /^omx_[0-9a-f]{16}_[A-Za-z0-9_-]{43}$/);
    t.same(parseApiKey(text), { prefix });
    t.equal(hash, createHash("sha256").update(text).digest("hex"));
  }
  t.equal(new Set(keys.map(({ text }) => text)).size, keys.length);
  t.equal(new Set(keys.map(({ prefix }) => prefix)).size, keys.length);
  t.end();
});

t.test("what has not the form of a key", (t) => {
  t.same(parseApiKey(KEY), { prefix: "0123456789abcdef" });
  const rows = [
    "",
    "omx_",
    "sk-ollama",
    KEY.slice(1),
    KEY.slice(0, -1),
    `${KEY}A`,
    `${KEY}\n`,
    ` ${KEY}`,
    KEY.replace("omx", "OMX"),
    KEY.replace("abcdef", "ABCDEF"),
    KEY.replace("AAA", "A=A"),
    KEY.replace("_A", "-A"),
    `${KEY} ${KEY}`,
  ];
  for (const text of rows) t.equal(parseApiKey(text), undefined, JSON.stringify(text));
  t.end();
});

t.test("any text is a key of that form or none, and another text has another hash", (t) => {
  const near = fc
    .tuple(fc.nat(KEY.length - 1), fc.string({ unit: "binary", maxLength: 2 }))
    .map(([at, text]) => KEY.slice(0, at) + text + KEY.slice(at + 1));
  const texts = fc.oneof(fc.string({ unit: "binary" }), near);
  fc.assert(
    fc.property(texts, (text) => {
      const parsed = parseApiKey(text);
      if (parsed === undefined) return true;
      const [brand, prefix, ...secret] = text.split("_");
      return (
        text.length === KEY.length &&
        brand === "omx" &&
        prefix === parsed.prefix &&
        secret.join("_").length === 43 &&
        (text === KEY || hashOf(text) !== hashOf(KEY))
      );
    }),
    { seed: 1, numRuns: 2_000 },
  );
  t.pass("seed 1");
  t.end();
});
