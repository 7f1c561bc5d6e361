import fc from "fast-check";
import t from "tap";
import { seededRandom } from "../../core/random.ts";
import { drawTypical } from "./typical-sampling.ts";

const OFF = { typicalP: 1, topP: 1, minP: 0, temperature: 1 };

const candidatesOf = (...probabilities: readonly number[]) =>
  probabilities.map((probability, token) => ({ token, probability }));

/** The tokens that come up, each with its share of many draws. */
function sharesOf(probabilities: readonly number[], shape: Partial<typeof OFF>): readonly number[] {
  const random = seededRandom(7);
  const counts = probabilities.map(() => 0);
  const draws = 20_000;
  for (let draw = 0; draw < draws; draw++) {
    const token = drawTypical(candidatesOf(...probabilities), { ...OFF, ...shape }, random) ?? -1;
    counts[token] = (counts[token] ?? 0) + 1;
  }
  return counts.map((count) => count / draws);
}

const ROWS: readonly {
  readonly what: string;
  readonly of: readonly number[];
  readonly shape: Partial<typeof OFF>;
  readonly shares: readonly number[];
}[] = [
  { what: "as they are", of: [0.5, 0.3, 0.2], shape: {}, shares: [0.5, 0.3, 0.2] },
  { what: "not normalised", of: [5, 3, 2], shape: {}, shares: [0.5, 0.3, 0.2] },
  // Surprises 0.51, 1.61, 2.30, 2.30; the entropy is 1.09: the distances 0.58, 0.52, 1.21, 1.21.
  ...[
    { typicalP: 0.1, shares: [0, 1, 0, 0] },
    { typicalP: 0.3, shares: [0.75, 0.25, 0, 0] },
    { typicalP: 0.85, shares: [2 / 3, 2 / 9, 1 / 9, 0] },
    { typicalP: 0, shares: [0, 1, 0, 0] },
  ].map(({ typicalP, shares }) => ({
    what: `typical_p ${typicalP}`,
    of: [0.6, 0.2, 0.1, 0.1],
    shape: { typicalP },
    shares,
  })),
  {
    what: "the likeliest of what is typical, cold",
    of: [0.6, 0.2, 0.1, 0.1],
    shape: { typicalP: 0.1, temperature: 0 },
    shares: [0, 1, 0, 0],
  },
  { what: "top_p", of: [0.2, 0.5, 0.3], shape: { topP: 0.6 }, shares: [0, 0.625, 0.375] },
  { what: "top_p 0", of: [0.2, 0.5, 0.3], shape: { topP: 0 }, shares: [0, 1, 0] },
  { what: "min_p", of: [0.1, 0.6, 0.3], shape: { minP: 0.4 }, shares: [0, 2 / 3, 1 / 3] },
  { what: "temperature", of: [0.8, 0.2], shape: { temperature: 0.5 }, shares: [16 / 17, 1 / 17] },
  { what: "hardly warm", of: [0.5, 0.4, 0.1], shape: { temperature: 1e-4 }, shares: [1, 0, 0] },
  {
    what: "top_p of what typical_p has left",
    of: [0.6, 0.2, 0.1, 0.1],
    shape: { typicalP: 0.3, topP: 0.7 },
    shares: [1, 0, 0, 0],
  },
  { what: "what cannot be", of: [0, 1, Number.NaN], shape: { typicalP: 0.5 }, shares: [0, 1, 0] },
];

for (const { what, of, shape, shares } of ROWS) {
  t.test(what, async (t) => {
    for (const [at, share] of sharesOf(of, shape).entries()) {
      t.ok(Math.abs(share - (shares[at] ?? 0)) < 0.02, `${at}: ${share}`);
      if (shares[at] === 0) t.equal(share, 0);
    }
  });
}

t.test("of any candidates one, and of none none", async () => {
  const share = fc.double({ min: 0, max: 1, noNaN: true });
  const shapes = fc.record({
    ...{ typicalP: share, topP: share, minP: share },
    temperature: fc.double({ min: 0, max: 100, noNaN: true }),
  });
  fc.assert(
    fc.property(fc.array(share), shapes, fc.nat(), (probabilities, shape, seed) => {
      const token = drawTypical(candidatesOf(...probabilities), shape, seededRandom(seed));
      if (token === undefined) return probabilities.every((probability) => probability === 0);
      return (probabilities[token] ?? 0) > 0;
    }),
  );
});
