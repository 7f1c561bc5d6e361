import t from "tap";
import { KeyUses, USE_INTERVAL_MS } from "./key-uses.ts";

t.test("a use is written once in its time, and again when it could not be", (t) => {
  const uses = new KeyUses();
  uses.used("a", 0);
  uses.used("a", 1);
  uses.used("b", 2);
  t.same(uses.waiting(), ["a", "b"]);
  t.same(uses.waiting(), ["a", "b"], "nobody said that they were written");
  uses.written(["a"], 10);
  uses.used("a", USE_INTERVAL_MS);
  t.same(uses.waiting(), ["b"]);
  uses.used("a", USE_INTERVAL_MS + 10);
  t.same(uses.waiting(), ["b", "a"]);
  t.end();
});

t.test("keys that are gone are forgotten", (t) => {
  const uses = new KeyUses();
  for (const key of ["a", "b", "c"]) uses.used(key, 0);
  uses.written(["a", "b"], 0);
  uses.keepOnly(new Set(["a"]));
  t.same(uses.waiting(), []);
  uses.used("a", 1);
  uses.used("b", 1);
  t.same(uses.waiting(), ["b"]);
  t.end();
});
