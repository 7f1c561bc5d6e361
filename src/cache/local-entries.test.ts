import t from "tap";
import { LocalEntries } from "./local-entries.ts";
import { BYTES_MAX, ENTRIES_MAX } from "./options.ts";
import type { Place } from "./place.ts";

const placeOf = (entry: string, scope = "scope"): Place => ({ kind: "kind", scope, entry });
const kept = (text: string, expiresMs = 1_000) => ({ text, token: "", expiresMs });

t.test("an entry is there until its time", (t) => {
  const entries = new LocalEntries();
  entries.set(placeOf("a"), kept("1", 10));
  t.match(entries.get(placeOf("a"), 9), { text: "1" });
  t.equal(entries.get(placeOf("a"), 10), undefined);
  t.equal(entries.count, 0, "and takes no room after it");
  t.equal(entries.sizeBytes, 0);
  t.end();
});

t.test("entries are bounded in number: the one not used for longest goes", (t) => {
  const entries = new LocalEntries();
  for (let index = 0; index < ENTRIES_MAX; index++) entries.set(placeOf(`${index}`), kept("1"));
  t.ok(entries.get(placeOf("0"), 0), "it is used");
  entries.set(placeOf("new"), kept("1"));
  t.equal(entries.count, ENTRIES_MAX);
  t.ok(entries.get(placeOf("0"), 0));
  t.ok(entries.get(placeOf("new"), 0));
  t.equal(entries.get(placeOf("1"), 0), undefined);
  t.end();
});

t.test("entries are bounded in size, in bytes", (t) => {
  const entries = new LocalEntries();
  const quarter = "é".repeat(BYTES_MAX / 8);
  for (const key of ["a", "b", "c", "d", "a", "e"]) entries.set(placeOf(key), kept(quarter));
  t.equal(entries.sizeBytes, BYTES_MAX);
  t.strictSame(
    ["a", "b", "c", "d", "e"].filter((key) => entries.get(placeOf(key), 0)),
    ["a", "c", "d", "e"],
  );
  t.end();
});

t.test("a scope goes together", (t) => {
  const entries = new LocalEntries();
  for (const key of ["a", "b"]) entries.set(placeOf(key, "one"), kept("1"));
  entries.set(placeOf("c", "two"), kept("1"));
  entries.drop("one");
  t.equal(entries.count, 1);
  t.ok(entries.get(placeOf("c"), 0));
  entries.clear();
  t.strictSame([entries.count, entries.sizeBytes], [0, 0]);
  t.end();
});
