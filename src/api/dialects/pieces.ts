import type { GenerateRequest, Logprob, RoutedEvent, ToolCall } from "../../core/inference.ts";
import type { Random } from "../../core/random.ts";
import { callOf } from "../output/call-of.ts";
import { type Output, OutputReader } from "../output/output-reader.ts";
import { newId } from "./ids.ts";

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

/** Reads the events of one answer, in their order. */
export type ReadPieces = (event: RoutedEvent) => readonly Piece[];

/** `mustCall`: the answer is the JSON of a call and nothing else. */
export function pieceReader(
  request: GenerateRequest,
  { random, mustCall }: { readonly random: Random; readonly mustCall: boolean },
): ReadPieces {
  const read = mustCall ? callReader(random) : outputReader(request, random);
  return (event) => {
    if (event.type === "rendered") return [event];
    if (event.type !== "end") return read(event);
    const { type, reason, promptTokens, tokens } = event;
    return [...read(event), { type, reason, promptTokens, tokens }];
  };
}

function outputReader(request: GenerateRequest, random: Random): ReadPieces {
  const reader = new OutputReader(request, random);
  return (event) => {
    const output = reader.read(event);
    return output ? piecesOf(output) : [];
  };
}

/** The probabilities go with the text; those of thoughts and calls have no place in these APIs. */
function piecesOf({ parts, logprobs }: Output): readonly Piece[] {
  const first = parts.find(({ type }) => type === "content");
  return parts.map((part) => {
    if (part.type !== "content") return part;
    const { text } = part;
    return { type: "text", text, ...(part === first && logprobs.length > 0 ? { logprobs } : {}) };
  });
}

/** An answer that was cut before its end is no call, and goes out as it is. */
function callReader(random: Random): ReadPieces {
  let json = "";
  return (event) => {
    if (event.type === "text") json += event.text;
    if (event.type !== "end") return [];
    const call = callOf(json);
    if (call) return [{ type: "call", call: { ...call, id: newId("call_", random) } }];
    return json === "" ? [] : [{ type: "text", text: json }];
  };
}
