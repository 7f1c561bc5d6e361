import t from "tap";
import { withoutSecrets } from "./without-secrets.ts";

const HIDDEN = "[secret]";
let deep: unknown = { password: "p" };
for (let depth = 0; depth < 10_000; depth++) deep = { a: deep };

const TABLE: readonly [table: string, values: unknown, shown: unknown][] = [
  ["models", { name: "m", hash: "abc", tags: ["x"] }, { name: "m", hash: "abc", tags: ["x"] }],
  [
    "users",
    { username: "ann", password_hash: "$argon2id$" },
    { username: "ann", password_hash: HIDDEN },
  ],
  ["users", { password_hash: null }, { password_hash: null }],
  ["users", { metadata: { mfa: [{ Secret: "s" }] } }, { metadata: { mfa: [{ Secret: HIDDEN }] } }],
  ["api_keys", { key_hash: "h", prefix: "om_" }, { key_hash: HIDDEN, prefix: "om_" }],
  [
    "cluster_settings",
    { name: "cluster_keys", value: ["k"] },
    { name: "cluster_keys", value: HIDDEN },
  ],
  [
    "cluster_settings",
    { name: "denied_nodes", value: ["n"] },
    { name: "denied_nodes", value: ["n"] },
  ],
  ["cluster_settings", { value: ["k"] }, { value: HIDDEN }],
  ["nodes", { value: 1 }, { value: 1 }],
  ["x", null, null],
  ["x", "text", "text"],
  ["x", [1, { token: "t" }], [1, { token: HIDDEN }]],
];

t.test("no secret is shown, whatever the triggers left", (t) => {
  for (const [table, values, shown] of TABLE) {
    t.same(withoutSecrets(table, values), shown, JSON.stringify(values));
  }
  t.notMatch(JSON.stringify(withoutSecrets("x", deep)), /"p"/, "also deep within");
  t.end();
});
