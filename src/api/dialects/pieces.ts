import type { GenerateRequest, Logprob, RoutedEvent, ToolCall } from "../../core/inference.ts";

/** What an answer is made of, as OpenAI's and Anthropic's clients get it. */
export type Piece =
  | {
      readonly type: "text";
      readonly text: string;
      readonly logprobs?: readonly Logprob[] | undefined;
    }
  | { readonly type: "thinking"; readonly text: string }
  /** Whole: arguments are not sent in parts. */
  | { readonly type: "call"; readonly call: ToolCall }
  | { readonly type: "rendered"; readonly prompt: string }
  | End;

export interface End {
  readonly type: "end";
  readonly reason: "stop" | "length" | "load";
  readonly promptTokens: number;
  readonly tokens: number;
}

/**
 * Reads one answer's events. The single place where a model's text is taken apart for these APIs: a parser of thinking and
 * of tool calls goes here, made anew for each answer, and gives out what it still holds before the end.
 */
export function pieceReader(_request: GenerateRequest): (event: RoutedEvent) => readonly Piece[] {
  return (event) => {
    if (event.type === "text") {
      return [{ type: "text", text: event.text, logprobs: event.logprobs }];
    }
    if (event.type === "rendered") return [event];
    if (event.type !== "end") return [];
    const { type, reason, promptTokens, tokens } = event;
    return [{ type, reason, promptTokens, tokens }];
  };
}
