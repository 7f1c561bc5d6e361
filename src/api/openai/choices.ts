import type { GenerateRequest } from "../../core/inference.ts";
import type { Random } from "../../core/random.ts";

const SEEDS = 2 ** 31;

/**
 * The same request `count` times, each with a seed of its own so that the answers differ: neighbours of the one that was
 * given, or of one by chance. A single one without a seed leaves it to the model.
 */
export function choicesOf(
  request: GenerateRequest,
  count: number,
  random: Random,
): readonly GenerateRequest[] {
  if (count === 1) return [request];
  const { seed = -1 } = request.sampling;
  const first = seed < 0 ? Math.floor(random.next() * SEEDS) : seed;
  return Array.from({ length: count }, (_, choice) => ({
    ...request,
    sampling: { ...request.sampling, seed: (first + choice) % Number.MAX_SAFE_INTEGER },
  }));
}

/** Requests that one client's request became: the first keeps its id, the others' tell which they are. */
export function numbered(requests: readonly GenerateRequest[]): readonly GenerateRequest[] {
  return requests.map((request, index) =>
    index === 0 ? request : { ...request, requestId: `${request.requestId}.${index}` },
  );
}
