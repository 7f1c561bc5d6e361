import { choice, EMPTY, type Expression, sequence, text } from "./gbnf.ts";
import type { GrammarRules } from "./grammar-rules.ts";

/** Texts that share more beginnings than this are only listed from there on. */
const BRANCHES_MAX = 200;

/**
 * One of the texts, each beginning that several have written once: llama.cpp then follows a few ways at a time, where a list
 * of a thousand words would be a thousand.
 */
export function textChoice(texts: readonly string[], rules: GrammarRules): Expression {
  const split = [...new Set(texts)].map((one) => Array.from(one));
  return branch(split, { at: 0, depth: 0 }, rules);
}

type Split = readonly string[];

function branch(
  texts: readonly Split[],
  { at, depth }: { readonly at: number; readonly depth: number },
  rules: GrammarRules,
): Expression {
  const rest = (one: Split): Expression => text(one.slice(at).join(""));
  if (depth > BRANCHES_MAX) return choice(...texts.map(rest));
  const groups = Map.groupBy(texts, (one) => one[at]);
  const options = Array.from(groups, ([first, group]) => {
    const [only] = group;
    if (first === undefined || only === undefined) return EMPTY;
    if (group.length === 1) return rest(only);
    const end = sharedEnd(group, at);
    const next = branch(group, { at: end, depth: depth + 1 }, rules);
    return sequence(text(only.slice(at, end).join("")), rules.add(next));
  });
  return choice(...options);
}

/** Where the texts, which agree at `at`, no longer do. */
function sharedEnd(texts: readonly Split[], at: number): number {
  const [model = []] = texts;
  let end = at + 1;
  while (end < model.length && texts.every((one) => one[end] === model[end])) end++;
  return end;
}
