import fc from "fast-check";
import t from "tap";
import { parseObjectMetadata, VALUE_BYTES_MAX } from "./object-metadata.ts";

const HASH = "ab".repeat(32);
const GOOD = {
  key: "llama3.2:1b",
  size: 1_321_098_329,
  content_type: "application/vnd.ollama.image.model",
  hash: HASH,
  version: "1.0",
  created_at: "2025-01-31T12:00:00.123456789+01:00",
  updated_at: "2025-02-01T00:00:00Z",
  accessed_at: "0001-01-01T00:00:00Z",
  attributes: { description: "small", tags: ["chat"], family: "llama" },
  replicas: ["node-1", { node_id: "node-2", path: "/models/x", health: 1 }],
};

const parse = (value: unknown) => parseObjectMetadata("k", Buffer.from(JSON.stringify(value)));

t.test("every field finds its place", (t) => {
  t.same(parse(GOOD), {
    ok: true,
    model: {
      key: "k",
      name: "registry.ollama.ai/library/llama3.2:1b",
      version: "1.0",
      sizeBytes: 1_321_098_329,
      hash: HASH,
      contentType: "application/vnd.ollama.image.model",
      description: "small",
      tags: ["chat"],
      attributes: { family: "llama" },
      createdAt: "2025-01-31T11:00:00.123Z",
      updatedAt: "2025-02-01T00:00:00.000Z",
      accessedAt: undefined,
      replicas: [
        { node: "node-1", path: undefined },
        { node: "node-2", path: "/models/x" },
      ],
    },
  });
  t.end();
});

t.test("what Go leaves unset has a default; what fits no column stays an attribute", (t) => {
  const sparse = { key: "m", size: 0, hash: `sha256:${HASH.toUpperCase()}` };
  const unset = { content_type: "", version: "", attributes: null, replicas: null };
  const expected = {
    ok: true,
    model: { version: "latest", hash: HASH, contentType: "application/octet-stream", tags: [] },
  };
  t.match(parse(sparse), expected);
  t.match(parse({ ...sparse, ...unset, created_at: null, updated_at: "" }), expected);
  const attributes = { tags: "a,b", description: 7 };
  t.match(parse({ ...sparse, attributes }), { ok: true, model: { tags: [], attributes } });
  t.end();
});

t.test("what cannot be taken over has a reason", (t) => {
  const deep = `${'{"a":'.repeat(5_000)}1${"}".repeat(5_000)}`;
  const rows: readonly [string, string | Uint8Array | object, string, RegExp?][] = [
    ["empty", "", "NOT_JSON"],
    ["no JSON", "hello", "NOT_JSON"],
    ["half of it", JSON.stringify(GOOD).slice(0, 80), "NOT_JSON"],
    ["bytes", Uint8Array.of(0xff, 0xfe, 0x00), "NOT_UTF8"],
    ["a NUL byte", "\0", "NOT_JSON"],
    ["huge", `"${"x".repeat(VALUE_BYTES_MAX)}"`, "TOO_LARGE"],
    ["a number", "1", "WRONG_FIELD"],
    ["null", "null", "WRONG_FIELD"],
    ["an array", "[]", "WRONG_FIELD"],
    ["nested too deep", deep, "NOT_STORABLE"],
    ["no key", { ...GOOD, key: undefined }, "WRONG_FIELD", /^key: /],
    ["empty key", { ...GOOD, key: "" }, "WRONG_FIELD", /^key: /],
    ["key of a wrong type", { ...GOOD, key: 5 }, "WRONG_FIELD", /^key: /],
    ["negative size", { ...GOOD, size: -1 }, "WRONG_FIELD", /^size: /],
    ["size beyond what counts exactly", { ...GOOD, size: 2 ** 60 }, "WRONG_FIELD", /^size: /],
    ["half a byte", { ...GOOD, size: 0.5 }, "WRONG_FIELD", /^size: /],
    ["size as text", { ...GOOD, size: "12" }, "WRONG_FIELD", /^size: /],
    ["another hash", { ...GOOD, hash: "d41d8cd9" }, "WRONG_FIELD", /^hash: must be a SHA-256/],
    ["no such day", { ...GOOD, created_at: "2025-13-01T00:00:00Z" }, "WRONG_FIELD", /created_at/],
    ["no time", { ...GOOD, created_at: "yesterday" }, "WRONG_FIELD", /^created_at: must be/],
    ["long version", { ...GOOD, version: "v".repeat(51) }, "WRONG_FIELD", /^version: /],
    ["long type", { ...GOOD, content_type: "v".repeat(101) }, "WRONG_FIELD", /^content_type: /],
    ["attributes in a list", { ...GOOD, attributes: [1] }, "WRONG_FIELD", /^attributes: /],
    ["replicas by number", { ...GOOD, replicas: 3 }, "WRONG_FIELD", /^replicas: /],
    ["a replica of nobody", { ...GOOD, replicas: [{}] }, "WRONG_FIELD", /^replicas\.0/],
    ["NUL in a name", { ...GOOD, key: "a\0b" }, "NOT_STORABLE"],
    ["NUL in an attribute", { ...GOOD, attributes: { a: ["\0"] } }, "NOT_STORABLE"],
    ["NUL in an attribute's name", { ...GOOD, attributes: { "\0": 1 } }, "NOT_STORABLE"],
    ["half a pair", `{"key":"\\ud800"}`, "NOT_STORABLE"],
    ["long name", { ...GOOD, key: "n".repeat(256) }, "NAME_TOO_LONG"],
    ["long in full", { ...GOOD, key: `${"h".repeat(170)}/ns/${"m".repeat(79)}` }, "NAME_TOO_LONG"],
    ["not a name", { ...GOOD, key: "a b" }, "NOT_A_MODEL_NAME"],
    ["a path", { ...GOOD, key: "../../etc/passwd" }, "NOT_A_MODEL_NAME"],
    ["too many parts", { ...GOOD, key: "a/b/c/d" }, "NOT_A_MODEL_NAME"],
  ];
  for (const [what, value, reason, detail = /.*/] of rows) {
    const bytes =
      value instanceof Uint8Array
        ? value
        : Buffer.from(typeof value === "string" ? value : JSON.stringify(value));
    t.match(parseObjectMetadata("k", bytes), { ok: false, reason, detail }, what);
  }
  t.end();
});

t.test("whatever is in a value, it is a model or has a reason", (t) => {
  const anything = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.json().map((text) => Buffer.from(text)),
    fc
      .record(
        Object.fromEntries(
          Object.entries(GOOD).map(([name, value]) => [
            name,
            fc.oneof({ weight: 5, arbitrary: fc.constant(value) }, fc.jsonValue()),
          ]),
        ),
        { requiredKeys: [] },
      )
      .map((value) => Buffer.from(JSON.stringify(value))),
  );
  fc.assert(
    fc.property(anything, (value) => {
      const parsed = parseObjectMetadata("k", value);
      if (!parsed.ok) return;
      const { name, version, sizeBytes, hash, contentType } = parsed.model;
      if (name.length > 255 || version.length > 50 || contentType.length > 100) throw Error(name);
      if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0 || hash.length !== 64)
        throw Error(hash);
    }),
  );
  t.pass("no crash");
  t.end();
});
