import type {
  GenerateInput,
  GenerateRequest,
  Logprob,
  RoutedEvent,
  ToolCall,
} from "../../core/inference.ts";
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
  const read = mustCall ? callReader(request, random) : outputReader(request, random);
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

/**
 * The JSON of a call stands where the answer would: behind the thoughts of a model that has them, and in a channel of gpt-oss,
 * which may also call in its own form. An answer that was cut before its end is no call, and goes out as it is.
 */
function callReader(request: GenerateRequest, random: Random): ReadPieces {
  const reader = new OutputReader({ input: withoutTools(request.input) }, random);
  let json = "";
  let called = false;
  return (event) => {
    const pieces: Piece[] = [];
    for (const part of reader.read(event)?.parts ?? []) {
      if (part.type === "content") json += part.text;
      else pieces.push(part.type === "call" ? callPiece(part.call, random) : part);
    }
    called ||= pieces.some(({ type }) => type === "call");
    if (event.type !== "end") return pieces;
    const call = called ? undefined : callOf(json);
    if (call) pieces.push(callPiece(call, random));
    else if (json !== "") pieces.push({ type: "text", text: json });
    return pieces;
  };
}

function callPiece(call: ToolCall, random: Random): Piece {
  return { type: "call", call: { ...call, id: newId("call_", random) } };
}

/** Then the marks of calls are text, but for harmony's, whose calls have a recipient. */
function withoutTools(input: GenerateInput): GenerateInput {
  return input.kind === "messages" ? { ...input, tools: [] } : input;
}
