import fc from "fast-check";
import t from "tap";
import { parseBearerChallenge } from "./challenge.ts";

const R = "https://auth.example/token";

const ROWS: readonly [header: string, expected: ReturnType<typeof parseBearerChallenge>][] = [
  [
    `Bearer realm="${R}",service="registry.example",scope="repository:a/b:pull,push"`,
    { realm: R, service: "registry.example", scopes: ["repository:a/b:pull,push"] },
  ],
  [`bearer Realm="${R}"`, { realm: R, service: undefined, scopes: [] }],
  [
    `Bearer  service = "s" , realm = "${R}" ,scope="a  b "`,
    { realm: R, service: "s", scopes: ["a", "b"] },
  ],
  [
    `Basic realm="a, Bearer realm=\\"b\\"", Bearer realm="${R}"`,
    { realm: R, service: undefined, scopes: [] },
  ],
  [`Negotiate YWJj==, Bearer realm="${R}"`, { realm: R, service: undefined, scopes: [] }],
  [`Bearer realm="${R}", Basic realm="other"`, { realm: R, service: undefined, scopes: [] }],
  [`Bearer realm="${R}",realm="https://other"`, { realm: R, service: undefined, scopes: [] }],
  ["Bearer realm=bare", { realm: "bare", service: undefined, scopes: [] }],
  [`Bearer realm="a\\"b"`, { realm: 'a"b', service: undefined, scopes: [] }],
  ["", undefined],
  ["Bearer", undefined],
  [`Bearer realm=""`, undefined],
  [`Bearer service="s"`, undefined],
  [`Basic realm="${R}"`, undefined],
  [`realm="${R}"`, undefined],
  [`Bearer realm="${R}`, undefined],
  [`Bearer realm="${"a".repeat(10_000)}"`, undefined],
];

t.test("challenges", (t) => {
  for (const [header, expected] of ROWS) {
    t.same(parseBearerChallenge(header), expected, header.slice(0, 80));
  }
  t.end();
});

t.test("what is written is read", (t) => {
  const text = fc.string({ unit: "binary-ascii", minLength: 1, maxLength: 40 });
  const quoted = (value: string): string => `"${value.replaceAll(/["\\]/g, "\\$&")}"`;
  const before = fc.constantFrom("", 'Basic realm="x, y", ', "Negotiate abc=, ");
  fc.assert(
    fc.property(
      before,
      text,
      text,
      fc.array(text, { maxLength: 3 }),
      (other, realm, service, scopes) => {
        const line = [realm, service, scopes.join(" ")].map((value) =>
          value.replaceAll(/[\r\n]/g, "-"),
        );
        const [realmText = "", serviceText = "", scopeText = ""] = line;
        const header = `${other}Bearer realm=${quoted(realmText)}, service=${quoted(serviceText)},scope=${quoted(scopeText)}`;
        const parsed = parseBearerChallenge(header);
        return (
          parsed?.realm === realmText &&
          parsed.service === serviceText &&
          parsed.scopes.join(" ") === scopeText.split(" ").filter(Boolean).join(" ")
        );
      },
    ),
  );
  t.pass("for any values");
  t.end();
});

t.test("anything else is refused, soon", (t) => {
  const parts = fc.constantFrom(
    "Bearer",
    "realm",
    "=",
    '"',
    "\\",
    ",",
    " ",
    "a",
    "Basic",
    "==",
    "\n",
  );
  const noise = fc.array(parts, { maxLength: 2_000 }).map((items) => items.join(""));
  fc.assert(
    fc.property(fc.oneof(noise, fc.string()), (header) => {
      const parsed = parseBearerChallenge(header);
      return parsed === undefined || parsed.realm.length > 0;
    }),
  );
  t.pass("for any text");
  t.end();
});
