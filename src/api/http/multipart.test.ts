import fc from "fast-check";
import t from "tap";
import { FormError, parseMultipart } from "./multipart.ts";

const PARTS_MAX = 3;

/** Each part as its name, in brackets where it is a file, and its text. */
function partsOf(body: string, boundary = "X"): readonly string[] {
  return parseMultipart(Buffer.from(body), boundary, PARTS_MAX).map(
    ({ name, isFile, body }) => `${isFile ? `[${name}]` : name}=${body}`,
  );
}

/** Of one part with these parameters. */
function named(parameters: string): readonly string[] {
  return partsOf(`--X\r\nContent-Disposition: form-data${parameters}\r\n\r\na\r\n--X--\r\n`);
}

t.test("how a part says what it is", (t) => {
  const rows: readonly (readonly [parameters: string, ...string[]])[] = [
    ['; name="a"', "a=a"],
    ["; name=a", "a=a"],
    [';name="a";filename="b"', "[a]=a"],
    ["; filename=b; name=a", "[a]=a"],
    ["; NAME=a; FileName=b", "[a]=a"],
    ['; name = "a" ; filename = "b" ;', "[a]=a"],
    ['; name="a"; filename=""', "[a]=a"],
    [`; name="a"; filename*=UTF-8''%e2%82%ac`, "[a]=a"],
    ['; name="a"; filename="日本"', "[a]=a"],
    // As Go and curl before 7.81 write a quote, and as browsers leave a backslash.
    ['; filename="b\\"; name=c\\""; name="a"', "[a]=a"],
    ['; filename="b; name=c"; name="a"', "[a]=a"],
    ['; name="a"; filename="C:\\"', "[a]=a"],
    ['; name="a\\"b"', 'a"b=a'],
    [';\r\n name="a"', "a=a"],
    ['; name="a"\r\nContent-Type: text/plain; charset=utf-8', "a=a"],
    ['; name=""'],
    ["; filename=b"],
    [""],
  ];
  for (const [parameters, ...parts] of rows) t.strictSame(named(parameters), parts, parameters);
  t.end();
});

t.test("where a part ends", (t) => {
  const head = '\r\nContent-Disposition: form-data; name="a"\r\n\r\n';
  const rows: readonly (readonly [body: string, ...string[]])[] = [
    [`--X${head}--X--`, "a="],
    [`--X${head}\r\n--X--`, "a="],
    [`--X${head}\r\n\r\n--X--\r\n`, "a=\r\n"],
    [`--X${head}b--X--\r\nc\r\n--XY\r\n\r\n--X--`, "a=b--X--\r\nc\r\n--XY\r\n"],
    [`before\r\n--X \t${head}b\r\n--X--after`, "a=b"],
    [`--X${head}b\r\n--X${head}c\r\n--X--`, "a=b", "a=c"],
    ["--X\r\n\r\nb\r\n--X--"],
    ["--X--"],
  ];
  for (const [body, ...parts] of rows) t.strictSame(partsOf(body), parts, body);
  t.strictSame(partsOf(`--=+ (${head}b\r\n--=+ (--`, "=+ ("), ["a=b"]);
  t.end();
});

t.test("what is no form", (t) => {
  const part = '--X\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n';
  const rows: readonly (readonly [body: string, message: string])[] = [
    ["", "multipart: NextPart: EOF"],
    ["a", "multipart: NextPart: EOF"],
    [part.replaceAll("\r\n", "\n"), "multipart: NextPart: EOF"],
    ["--X\r\n", "unexpected EOF"],
    [part, "unexpected EOF"],
    [`${part}--X\r\n`, "unexpected EOF"],
    [`--X\r\n${"a".repeat(20_000)}`, "multipart: message too large"],
    [`${part.repeat(PARTS_MAX + 1)}--X--`, "multipart: message too large"],
  ];
  for (const [body, message] of rows) t.throws(() => partsOf(body), { message }, body.slice(0, 90));
  t.end();
});

t.test("any bytes come as they were sent", async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 40 }), async (bytes) => {
      const form = new FormData();
      form.set("before", "é");
      form.set("file", new File([bytes], 'a"\\\r\n;b'));
      const sent = new Response(form);
      const [, boundary = ""] = /boundary=(.*)$/.exec(sent.headers.get("content-type") ?? "") ?? [];
      const body = Buffer.from(await sent.arrayBuffer());
      t.strictSame(parseMultipart(body, boundary, PARTS_MAX), [
        { name: "before", isFile: false, body: Buffer.from("é") },
        { name: "file", isFile: true, body: Buffer.from(bytes) },
      ]);
    }),
  );
});

t.test("what is damaged is a form or an error", async (t) => {
  const letters = fc.constantFrom("-", "X", "\r\n", "\n", ";", '"', "\\", " ", "name=", "a", ":");
  const pieces = fc.array(
    fc.oneof(letters, fc.constant("\r\n--X"), fc.constant("\r\nContent-Disposition: form-data")),
  );
  fc.assert(
    fc.property(pieces, (list) => {
      try {
        partsOf(`--X${list.join("")}`);
      } catch (error) {
        t.ok(error instanceof FormError, String(error));
      }
    }),
  );
});
