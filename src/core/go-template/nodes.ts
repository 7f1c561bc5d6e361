export type Node =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "action"; readonly pipe: Pipe }
  | Branch
  | { readonly type: "template"; readonly name: string; readonly pipe?: Pipe }
  | { readonly type: "break" | "continue" };

export interface Branch {
  readonly type: "if" | "with" | "range";
  readonly pipe: Pipe;
  readonly list: readonly Node[];
  readonly otherwise: readonly Node[];
}

export interface Pipe {
  /** One; two in a range, the index first. */
  readonly variables: readonly string[];
  /** `:=` rather than `=`. */
  readonly declares: boolean;
  /** Each is given what the one before it gave, as its last argument. */
  readonly commands: readonly Command[];
}

/** A function and its arguments, or one value alone. */
export type Command = readonly Operand[];

export type Operand =
  | { readonly type: "literal"; readonly value: string | number | boolean | null }
  | { readonly type: "dot" }
  | { readonly type: "function"; readonly name: string }
  | { readonly type: "variable"; readonly name: string }
  | { readonly type: "pipe"; readonly pipe: Pipe }
  | { readonly type: "fields"; readonly of: Operand; readonly names: readonly string[] };
