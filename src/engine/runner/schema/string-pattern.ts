import { inString } from "./character-set.ts";
import { choice, type Expression, repetition, sequence } from "./gbnf.ts";
import type { GrammarRules } from "./grammar-rules.ts";
import { type PatternNode, PatternReader } from "./pattern-reader.ts";

/** Longer ones are for machines. */
const PATTERN_LENGTH_MAX = 2_000;
/** What llama.cpp writes out for a repetition is so long; a pattern that asks for more is left to the model. */
export const PATTERN_REPETITIONS_MAX = 500;

/**
 * What a string that fits the pattern has between its quotes, in JSON's escapes. Undefined for a pattern that this cannot
 * say: then any string may come, as llama.cpp does it. That is one that is not anchored with ^ and $ (it may match anywhere),
 * or has what no grammar says (looking around, references back, word boundaries), properties of Unicode, more than
 * 500 repetitions, or a repetition of what may be empty, which llama.cpp refuses.
 */
export function patternGrammar(pattern: string, rules: GrammarRules): Expression | undefined {
  if (pattern.length > PATTERN_LENGTH_MAX) return undefined;
  const node = new PatternReader(pattern).read();
  return node && expressionOf(node, rules);
}

function expressionOf(node: PatternNode, rules: GrammarRules): Expression | undefined {
  switch (node.kind) {
    case "set":
      return inString(node.set);
    case "sequence": {
      const parts = node.parts.map((part) => expressionOf(part, rules));
      return parts.every((part) => part !== undefined) ? sequence(...parts) : undefined;
    }
    case "choice": {
      const options = node.options.map((option) => expressionOf(option, rules));
      return options.every((option) => option !== undefined) ? choice(...options) : undefined;
    }
    case "repetition": {
      const { least, most } = node;
      if (Math.max(least, most ?? 0) > PATTERN_REPETITIONS_MAX || (most ?? least) < least) {
        return undefined;
      }
      if (mayBeEmpty(node.of) && most !== 1 && most !== 0) return undefined;
      const of = expressionOf(node.of, rules);
      // A rule, since llama.cpp counts what a repetition inside another one would come to.
      return of && repetition(of.kind === "class" ? of : rules.add(of), least, most);
    }
  }
}

function mayBeEmpty(node: PatternNode): boolean {
  switch (node.kind) {
    case "set":
      return false;
    case "sequence":
      return node.parts.every(mayBeEmpty);
    case "choice":
      return node.options.some(mayBeEmpty);
    case "repetition":
      return node.least === 0 || mayBeEmpty(node.of);
  }
}
