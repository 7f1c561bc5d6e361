import type { Embeddings, Route } from "../core/inference.ts";

/** Fewer inputs are not worth another node's time and trip. */
const INPUTS_PER_PART_MIN = 16;

/** Neighbouring inputs stay together; there are at most as many parts as replicas, at least one. */
export function splitInputs(
  inputs: readonly string[],
  replicas: number,
): readonly (readonly string[])[] {
  const wanted = Math.floor(inputs.length / INPUTS_PER_PART_MIN);
  const parts = Math.max(1, Math.min(replicas, wanted));
  const size = Math.ceil(inputs.length / parts);
  return Array.from({ length: parts }, (_, part) => inputs.slice(part * size, (part + 1) * size));
}

/** The parts' answers in the order of the inputs. The first part's node stands for all. */
export function mergeEmbeddings(
  parts: readonly (Embeddings & { readonly route: Route })[],
): Embeddings & { readonly route: Route } {
  const [first] = parts;
  if (!first) throw new Error("there is at least one part");
  return {
    vectors: parts.flatMap(({ vectors }) => vectors),
    promptTokens: parts.reduce((sum, { promptTokens }) => sum + promptTokens, 0),
    loadMs: Math.max(...parts.map(({ loadMs }) => loadMs)),
    route: first.route,
  };
}
