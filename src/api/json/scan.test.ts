import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import t from "tap";
import { JsonError, parseFirstValue } from "./scan.ts";

t.test("the first value counts", (t) => {
  const rows: readonly (readonly [string, unknown])[] = [
    ["{}", {}],
    ["null", null],
    [' \t\r\n{"a": [1, 2]}', { a: [1, 2] }],
    ['{"a":1}{"a":2}', { a: 1 }],
    ['{"a":1} garbage', { a: 1 }],
    ["[1,2]]", [1, 2]],
    ["12 13", 12],
    ['"a"b', "a"],
    ["true]", true],
    ['{"a":{"b":[{}]},"c":"\\u00e9\\n"}}', { a: { b: [{}] }, c: "é\n" }],
    ["-0.5e-3x", -0.0005],
  ];
  for (const [text, value] of rows) t.strictSame(parseFirstValue(text), value, text);
  t.end();
});

t.test("what Go says of malformed JSON", (t) => {
  const rows: readonly (readonly [string, string])[] = [
    [" \n", "EOF"],
    ["{", "unexpected EOF"],
    ['{"a"', "unexpected EOF"],
    ['{"a":', "unexpected EOF"],
    ['{"a":1', "unexpected EOF"],
    ['{"a":"b', "unexpected EOF"],
    ['{"a":"b\\', "unexpected EOF"],
    ['"\\u12', "unexpected EOF"],
    ["tru", "unexpected EOF"],
    ["-", "unexpected EOF"],
    ["1.", "unexpected EOF"],
    ["[1,", "unexpected EOF"],
    ["hello", "invalid character 'h' looking for beginning of value"],
    ["<html>", "invalid character '<' looking for beginning of value"],
    ["'a'", "invalid character '\\'' looking for beginning of value"],
    ["[1,]", "invalid character ']' looking for beginning of value"],
    ["[1 2]", "invalid character '2' after array element"],
    ["{a:1}", "invalid character 'a' looking for beginning of object key string"],
    ["{1:1}", "invalid character '1' looking for beginning of object key string"],
    ['{"a":1,}', "invalid character '}' looking for beginning of object key string"],
    ['{"a" 1}', "invalid character '1' after object key"],
    ['{"a":1 "b":2}', "invalid character '\"' after object key:value pair"],
    ["trux", "invalid character 'x' in literal true (expecting 'e')"],
    ["nil", "invalid character 'i' in literal null (expecting 'u')"],
    ["faLse", "invalid character 'L' in literal false (expecting 'l')"],
    ['"a\nb"', "invalid character '\\n' in string literal"],
    ['"\\x"', "invalid character 'x' in string escape code"],
    ['"\\u12g4"', "invalid character 'g' in \\u hexadecimal character escape"],
    ["[-a]", "invalid character 'a' in numeric literal"],
    ["[1.a]", "invalid character 'a' after decimal point in numeric literal"],
    ["[1e]", "invalid character ']' in exponent of numeric literal"],
    ["[01]", "invalid character '1' after array element"],
    ["\u0001", "invalid character '\\x01' looking for beginning of value"],
  ];
  for (const [text, message] of rows) {
    t.throws(() => parseFirstValue(text), { name: "JsonError", message }, text);
  }
  t.end();
});

t.test("nesting has Go's limit, whatever follows", (t) => {
  const nested = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);
  const message = "invalid character '[' exceeded max depth";
  t.ok(parseFirstValue(nested(10_000)));
  t.ok(parseFirstValue(`[${"[],".repeat(20_000)}1]`), "many brackets side by side");
  t.throws(() => parseFirstValue(nested(10_001)), { message });
  t.throws(() => parseFirstValue(`${nested(10_001)} x`), { message });
  t.throws(() => parseFirstValue("[".repeat(1_000_000)), { message });
  t.end();
});

t.test("agrees with JSON.parse on JSON, whatever follows", (t) => {
  fc.assert(
    fc.property(fc.json(), fc.string({ unit: "binary" }), (json, rest) => {
      // A number or a literal ends where something begins that cannot be a part of it.
      const text = `${json} ${rest}`;
      return isDeepStrictEqual(parseFirstValue(text), JSON.parse(json));
    }),
    { numRuns: 300 },
  );
  t.pass("held");
  t.end();
});

t.test("throws nothing but its own error", (t) => {
  const jsonish = fc.array(
    fc.constantFrom(..."{}[],:\"\\'-+.eE01 9tfn\n\u0000ü", "true", "null", '"a"', "\\u", "\ud800"),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(
      fc.oneof(
        jsonish.map((parts) => parts.join("")),
        fc.string(),
      ),
      (text) => {
        try {
          parseFirstValue(text);
        } catch (error) {
          if (!(error instanceof JsonError)) throw error;
        }
      },
    ),
    { numRuns: 5_000 },
  );
  t.pass("held");
  t.end();
});
