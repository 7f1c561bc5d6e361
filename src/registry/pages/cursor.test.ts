import fc from "fast-check";
import t from "tap";
import { type CursorSpec, decodeCursor, encodeCursor } from "./cursor.ts";

const ID = "01234567-89ab-cdef-0123-456789abcdef";
const SPEC: CursorSpec = {
  list: "requests",
  filter: { model: "llama*", status: undefined },
  key: ["microseconds", "uuid"],
};
const REFUSED = { code: "CURSOR_INVALID", message: /begin again without it/ };

t.test("a cursor gives back the key that it was made of", (t) => {
  const spec: CursorSpec = { list: "models", filter: {}, key: ["text"] };
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (name) => {
      const clean = name.replaceAll("\0", "").toWellFormed();
      t.same(decodeCursor(spec, encodeCursor(spec, [clean])), [clean]);
    }),
  );
  t.same(decodeCursor(SPEC, encodeCursor(SPEC, ["1795432100123456", ID])), [
    "1795432100123456",
    ID,
  ]);
  t.end();
});

t.test("a cursor of another list, or with another filter, is refused", (t) => {
  const cursor = encodeCursor(SPEC, ["1", ID]);
  t.ok(decodeCursor({ ...SPEC, filter: { status: undefined, model: "llama*" } }, cursor));
  t.ok(
    decodeCursor({ ...SPEC, filter: { model: "llama*" } }, cursor),
    "what is not given is no filter",
  );
  for (const other of [
    { ...SPEC, list: "audit" },
    { ...SPEC, filter: {} },
    { ...SPEC, filter: { model: "llama" } },
    { ...SPEC, key: ["text", "text"] as const, list: "nodes" },
  ]) {
    t.throws(() => decodeCursor(other, cursor), REFUSED, JSON.stringify(other));
  }
  t.end();
});

t.test("every change to a cursor is refused", (t) => {
  const cursor = encodeCursor(SPEC, ["1795432100123456", ID]);
  for (let index = 0; index < cursor.length; index++) {
    for (const letter of ["A", "z", "_", "%", " ", "\0"]) {
      if (letter === cursor[index]) continue;
      const tampered = cursor.slice(0, index) + letter + cursor.slice(index + 1);
      t.throws(() => decodeCursor(SPEC, tampered), REFUSED, tampered);
    }
    t.throws(() => decodeCursor(SPEC, cursor.slice(0, index)), REFUSED);
    t.throws(() => decodeCursor(SPEC, cursor.slice(index + 1)), REFUSED);
  }
  t.throws(() => decodeCursor(SPEC, `${cursor}=`), REFUSED);
  t.throws(() => decodeCursor(SPEC, cursor + cursor), REFUSED);
  t.end();
});

t.test("nothing else is a cursor, whoever made it up", (t) => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.base64String(), fc.json()), (text) => {
      t.throws(() => decodeCursor(SPEC, text), REFUSED);
      t.throws(() => decodeCursor(SPEC, Buffer.from(text).toString("base64url")), REFUSED);
    }),
  );
  t.throws(() => decodeCursor(SPEC, "A".repeat(100_000)), REFUSED);
  t.end();
});

t.test("a key that Postgres would refuse is refused before, also with a right check", (t) => {
  const text: CursorSpec = { list: "models", filter: {}, key: ["text"] };
  const rows: readonly [CursorSpec, readonly string[]][] = [
    [text, ["a\0b"]],
    [text, ["a\ud800b"]],
    [text, []],
    [text, ["a", "b"]],
    [SPEC, ["1", "not a uuid"]],
    [SPEC, ["1", `${ID}'`]],
    [SPEC, ["-1", ID]],
    [SPEC, ["1e9", ID]],
    [SPEC, ["999999999999999999", ID]],
    [SPEC, ["", ID]],
  ];
  for (const [spec, key] of rows) {
    t.throws(() => decodeCursor(spec, encodeCursor(spec, key)), REFUSED, JSON.stringify(key));
  }
  t.end();
});
