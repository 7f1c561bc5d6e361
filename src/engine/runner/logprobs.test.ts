import t from "tap";
import { logprobsOf } from "./model-logprobs.ts";
import { logprobsOfCandidates } from "./multimodal-generation.ts";

const near = (a: number, b: number): boolean => Math.abs(a - b) < 1e-9;

t.test("from logits, the sampled token last", async (t) => {
  const logits = [5, 2, 6, 1, 7, -3];
  const weight = 1 + Math.exp(-1) + Math.exp(-5);
  const [, best = 0, , next = 0, , sampled = 0] = logprobsOf(logits, weight);
  t.ok(near(Math.exp(best) + Math.exp(next) + Math.exp(sampled), 1));
  t.ok(near(best - next, 1) && near(best - sampled, 5));
});

t.test("from what sampling left over", async (t) => {
  // At temperature 2 the distances of the logits are halves.
  const probs = [0.6, 0.3, 0.1];
  const candidates = [...probs, 0].map((prob, tok) => ({ tok, prob }));
  const warm = [...logprobsOfCandidates(candidates, 2).values()];
  t.equal(warm.length, 3, "who is not left over is no candidate");
  const squares = probs.map((prob) => prob ** 2);
  const sum = squares.reduce((sum, square) => sum + square, 0);
  for (const [at, square] of squares.entries()) {
    t.ok(near(Math.exp(warm[at] ?? 0), square / sum), `${at}`);
  }
  t.same([...logprobsOfCandidates([{ tok: 7, prob: 1 }], 0)], [[7, 0]]);
});
