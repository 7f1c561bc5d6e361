import t from "tap";
import { parseDatabaseUrl } from "./database-url.ts";

t.test("what a URL says", (t) => {
  const plain = { host: "db", port: 5432, database: "d", user: "u", password: undefined };
  const rows: readonly [string, object][] = [
    ["postgres://u@db/d", { address: plain, sslMode: undefined }],
    ["postgresql://u:p@db:15432/d", { address: { ...plain, port: 15432, password: "p" } }],
    ["postgres://u:p%40%2F@db/d%20e", { address: { database: "d e", password: "p@/" } }],
    [
      "postgres://u@[::1]/d?sslmode=verify-full",
      { address: { host: "::1" }, sslMode: "verify-full" },
    ],
  ];
  for (const [text, wanted] of rows) t.match(parseDatabaseUrl(text), wanted, text);
  t.end();
});

t.test("what is no URL of a database is refused, its password not repeated", (t) => {
  const rows = [
    ...["", "db", "http://u:hunter2@db/d", "postgres://u:hunter2@/d", "postgres://u:hunter2@db"],
    ...[
      "postgres://:hunter2@db/d",
      "postgres://u:hunter2@db/d?sslmode=no",
      "postgres://u:%zz@db/d",
    ],
    ...["postgres://u:hunter2@db/d?options=-c", "postgres://u:hunter2@db:99999/d"],
  ];
  for (const text of rows) {
    const thrown = { code: "USAGE", message: /^(?!.*hunter2)the database's URL is not valid: / };
    t.throws(() => parseDatabaseUrl(text), thrown, text);
  }
  t.end();
});
