import type { Float } from "./values.ts";

export type Node =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "output"; readonly value: Expression; readonly line: number }
  | If
  | For
  | {
      readonly type: "set";
      readonly target: Target;
      readonly value: Expression;
      readonly line: number;
    }
  | SetBlock
  | MacroNode
  | CallBlock
  | {
      readonly type: "filter";
      readonly filter: Filter;
      readonly body: readonly Node[];
      readonly line: number;
    }
  | With
  | { readonly type: "break" | "continue"; readonly line: number };

export interface If {
  readonly type: "if";
  readonly branches: readonly Branch[];
  readonly otherwise: readonly Node[];
  readonly line: number;
}

export interface Branch {
  readonly condition: Expression;
  readonly body: readonly Node[];
}

export interface For {
  readonly type: "for";
  readonly target: Target;
  readonly items: Expression;
  readonly condition: Expression | undefined;
  readonly recursive: boolean;
  readonly body: readonly Node[];
  readonly otherwise: readonly Node[];
  readonly line: number;
}

export interface SetBlock {
  readonly type: "set-block";
  readonly target: Target;
  /** The innermost has no operand: it is given the body. */
  readonly filter: Filter | undefined;
  readonly body: readonly Node[];
  readonly line: number;
}

export interface MacroNode {
  readonly type: "macro";
  readonly name: string;
  readonly parameters: readonly Parameter[];
  readonly body: readonly Node[];
  /** Which of `varargs`, `kwargs` and `caller` it names, and so takes. */
  readonly takes: ReadonlySet<string>;
  readonly line: number;
}

export interface CallBlock {
  readonly type: "call-block";
  readonly call: Call;
  readonly caller: MacroNode;
  readonly line: number;
}

/** A scope of its own: `with`, `block`, `generation`. */
export interface With {
  readonly type: "with";
  readonly sets: readonly (readonly [target: Target, value: Expression])[];
  readonly body: readonly Node[];
  readonly line: number;
}

export interface Parameter {
  readonly name: string;
  readonly fallback: Expression | undefined;
}

export type Target =
  | { readonly type: "name"; readonly name: string }
  | { readonly type: "member"; readonly of: string; readonly name: string }
  | { readonly type: "targets"; readonly targets: readonly Target[] };

export type Expression =
  | { readonly type: "constant"; readonly value: null | boolean | number | string | Float }
  | { readonly type: "name"; readonly name: string }
  | { readonly type: "list" | "tuple"; readonly items: readonly Expression[] }
  | { readonly type: "dict"; readonly pairs: readonly (readonly [Expression, Expression])[] }
  | { readonly type: "attribute"; readonly of: Expression; readonly name: string }
  | { readonly type: "item"; readonly of: Expression; readonly key: Expression }
  | Slice
  | Call
  | Filter
  | Test
  | { readonly type: "not"; readonly of: Expression }
  | { readonly type: "sign"; readonly sign: "+" | "-"; readonly of: Expression }
  | Binary
  | { readonly type: "and" | "or"; readonly left: Expression; readonly right: Expression }
  | { readonly type: "concat"; readonly parts: readonly Expression[] }
  | Compare
  | Conditional;

export interface Slice {
  readonly type: "slice";
  readonly of: Expression;
  readonly start: Expression | undefined;
  readonly stop: Expression | undefined;
  readonly step: Expression | undefined;
}

export interface Call {
  readonly type: "call";
  readonly of: Expression;
  readonly args: CallArguments;
}

export interface Filter {
  readonly type: "filter";
  readonly name: string;
  /** Undefined in a filter block: what the block has written. */
  readonly of: Expression | undefined;
  readonly args: CallArguments;
}

export interface Test {
  readonly type: "test";
  readonly name: string;
  readonly of: Expression;
  readonly args: CallArguments;
}

export interface CallArguments {
  readonly positional: readonly Expression[];
  readonly named: readonly (readonly [name: string, value: Expression])[];
  /** `*args` and `**kwargs`. */
  readonly spread: Expression | undefined;
  readonly spreadNamed: Expression | undefined;
}

export type Operator = "+" | "-" | "*" | "/" | "//" | "%" | "**";

export interface Binary {
  readonly type: "binary";
  readonly operator: Operator;
  readonly left: Expression;
  readonly right: Expression;
}

export type Comparison = "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "not in";

export interface Compare {
  readonly type: "compare";
  readonly first: Expression;
  /** `a < b < c` is `a < b and b < c`. */
  readonly others: readonly Comparand[];
}

export interface Comparand {
  readonly comparison: Comparison;
  readonly value: Expression;
}

export interface Conditional {
  readonly type: "conditional";
  readonly condition: Expression;
  readonly then: Expression;
  readonly otherwise: Expression | undefined;
}
