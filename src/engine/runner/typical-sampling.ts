import type { Random } from "../../core/random.ts";

interface Candidate<T> {
  readonly token: T;
  readonly probability: number;
}

interface Shape {
  readonly typicalP: number;
  readonly topP: number;
  readonly minP: number;
  readonly temperature: number;
}

/**
 * One of the candidates, as llama.cpp's samplers `typ_p`, `top_p`, `min_p`, `temp` and `dist` find it one after the other.
 * The probabilities are those at temperature 1 and need not add up to 1. undefined when none is above 0.
 */
export function drawTypical<T>(
  candidates: Iterable<Candidate<T>>,
  { typicalP, topP, minP, temperature }: Shape,
  random: Random,
): T | undefined {
  const possible = [...candidates].filter(({ probability }) => probability > 0);
  const typical = mostTypical(possible, typicalP);
  const sorted = typical.toSorted((a, b) => b.probability - a.probability);
  const top = leading(sorted, topP);
  const [likeliest] = top;
  if (!likeliest || temperature <= 0) return likeliest?.token;
  const least = minP * likeliest.probability;
  const warm = top
    .filter(({ probability }) => probability >= least)
    .map(({ token, probability }) => ({
      token,
      // Of the likeliest 1, so that nothing overflows at small temperatures.
      probability: Math.exp(Math.log(probability / likeliest.probability) / temperature),
    }));
  let rest = random.next() * total(warm);
  for (const { token, probability } of warm) {
    rest -= probability;
    if (rest < 0) return token;
  }
  return warm.at(-1)?.token;
}

/**
 * Those whose surprise is nearest to the one that is expected (the entropy), until they make up `share` of the probability:
 * "Locally Typical Sampling" (Meister and others, 2023, arXiv:2202.00666).
 */
function mostTypical<T>(
  candidates: readonly Candidate<T>[],
  share: number,
): readonly Candidate<T>[] {
  if (share >= 1) return candidates;
  const sum = total(candidates);
  const surprise = ({ probability }: Candidate<T>): number => -Math.log(probability / sum);
  const entropy = candidates.reduce(
    (entropy, candidate) => entropy + (candidate.probability / sum) * surprise(candidate),
    0,
  );
  const distance = (candidate: Candidate<T>): number => Math.abs(surprise(candidate) - entropy);
  return leading(
    candidates.toSorted((a, b) => distance(a) - distance(b)),
    share,
  );
}

/** The first of them that together have more than the share, at least one. */
function leading<T>(candidates: readonly Candidate<T>[], share: number): readonly Candidate<T>[] {
  if (share >= 1) return candidates;
  const enough = share * total(candidates);
  let sum = 0;
  const last = candidates.findIndex(({ probability }) => {
    sum += probability;
    return sum > enough;
  });
  return candidates.slice(0, last + 1 || undefined);
}

function total(candidates: readonly Candidate<unknown>[]): number {
  return candidates.reduce((sum, { probability }) => sum + probability, 0);
}
