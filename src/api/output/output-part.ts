import type { ToolCall } from "../../core/inference.ts";

/** A piece of an answer, once its text is taken apart. */
export type OutputPart =
  | { readonly type: "thinking"; readonly text: string }
  | { readonly type: "content"; readonly text: string }
  /** Whole: arguments are not sent in parts. */
  | { readonly type: "call"; readonly call: ToolCall };

/** What an answer says as a whole. */
export interface Said {
  readonly thinking: string;
  readonly content: string;
  readonly calls: readonly ToolCall[];
}

/** Parts in one, their order given up. */
export function said(parts: readonly OutputPart[]): Said {
  let thinking = "";
  let content = "";
  const calls: ToolCall[] = [];
  for (const part of parts) {
    if (part.type === "call") calls.push(part.call);
    else if (part.type === "content") content += part.text;
    else thinking += part.text;
  }
  return { thinking, content, calls };
}
