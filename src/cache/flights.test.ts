import t from "tap";
import { Flights } from "./flights.ts";
import { FLIGHTS_MAX } from "./options.ts";
import type { Place } from "./place.ts";

const placeOf = (entry: string): Place => ({ kind: "kind", scope: "scope", entry });
const { signal } = new AbortController();

t.test("beyond the limit each flies alone, and finds its value", async (t) => {
  const flights = new Flights<number>();
  const landing = Promise.withResolvers<number>();
  const held = Array.from({ length: FLIGHTS_MAX }, (_, index) =>
    flights.join(placeOf(`${index}`), 0, () => landing.promise, { signal }),
  );
  let begun = 0;
  const begin = async () => ++begun;
  const further = [1, 2].map(() => flights.join(placeOf("further"), 0, begin, { signal }));
  t.strictSame(await Promise.all(further), [
    { result: 1, joined: false },
    { result: 2, joined: false },
  ]);
  const joined = flights.join(placeOf("7"), 0, begin, { signal });
  landing.resolve(9);
  t.strictSame(await joined, { result: 9, joined: true }, "those under way are still boarded");
  await Promise.all(held);
  const later = [1, 2].map(() => flights.join(placeOf("further"), 0, begin, { signal }));
  t.strictSame(
    (await Promise.all(later)).map(({ joined }) => joined),
    [false, true],
    "room again",
  );
});
