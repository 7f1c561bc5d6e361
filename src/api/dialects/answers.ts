import { InferenceError } from "../../core/errors.ts";
import type { GenerateRequest, LoadRequest, Route } from "../../core/inference.ts";
import type { Asking, Inference } from "../../core/ports.ts";
import type { Random } from "../../core/random.ts";
import { checkFormatSize } from "../json/format-size.ts";
import { loadRequestOf } from "../ollama/load-request.ts";
import { merged, type Source } from "./merged.ts";
import { type Piece, pieceReader } from "./pieces.ts";

/** Answers of one request that are made at a time: about what one node does at once. */
const AT_ONCE_MAX = 8;

type Step =
  | Piece
  | { readonly type: "routed"; readonly route: Route }
  | { readonly type: "started"; readonly promptTokens: number };

/** A piece of the answer number `choice`. */
export interface Chosen {
  readonly choice: number;
  readonly piece: Piece;
}

/** Answers the first of whose pieces has come. */
export interface Answers {
  readonly route: Route | undefined;
  /** Of the first answer's prompt; undefined of one that was not run. */
  readonly promptTokens: number | undefined;
  /** Whoever leaves it early stops the engines. Each answer ends with its `end`. */
  readonly pieces: AsyncIterableIterator<Chosen>;
}

/** Waits for the first piece, so that every failure before it keeps its own status. */
export async function beginAnswers(sources: readonly Source<Step>[]): Promise<Answers> {
  const all = merged(sources, AT_ONCE_MAX);
  let route: Route | undefined;
  let promptTokens: number | undefined;
  const next = async (): Promise<IteratorResult<Chosen, undefined>> => {
    for (;;) {
      const { done, value } = await all.next();
      if (done) return { done, value: undefined };
      const { index: choice, value: step } = value;
      if (step.type === "routed") route ??= step.route;
      else if (step.type === "started") promptTokens ??= step.promptTokens;
      else return { done: false, value: { choice, piece: step } };
    }
  };
  let first: IteratorResult<Chosen, undefined> | undefined = await next();
  // Not a generator: leaving one that was never read would not reach the engines.
  const pieces: AsyncIterableIterator<Chosen> = {
    [Symbol.asyncIterator]: () => pieces,
    next: async () => {
      const ready = first ?? (await next());
      first = undefined;
      return ready;
    },
    return: async () => {
      await all.return(undefined);
      return { done: true, value: undefined };
    },
  };
  return { route, promptTokens, pieces };
}

/** An answer that the model makes; `mustCall`: it is the JSON of a call. */
export function generated(
  {
    inference,
    random,
  }: { readonly inference: Pick<Inference, "generate">; readonly random: Random },
  request: GenerateRequest,
  wait: Asking,
  mustCall = false,
): Source<Step> {
  return async function* (leave) {
    checkFormatSize(request.format);
    const read = pieceReader(request, { random, mustCall });
    const signal = AbortSignal.any([wait.signal, leave]);
    for await (const event of inference.generate(request, { ...wait, signal })) {
      if (event.type === "routed") yield { type: "routed", route: event };
      if (event.type === "started") yield { type: "started", promptTokens: event.promptTokens };
      yield* read(event);
      if (event.type === "end") return;
    }
    if (!request.renderOnly) {
      throw new InferenceError("STREAM_BROKEN", "the answer broke off before its end");
    }
  };
}

/** As Ollama answers an empty prompt: the model is loaded. */
export function loaded(
  { inference }: { readonly inference: Pick<Inference, "load"> },
  request: LoadRequest,
  wait: Asking,
): Source<Step> {
  return async function* (leave) {
    const signal = AbortSignal.any([wait.signal, leave]);
    const { route } = await inference.load(loadRequestOf(request), { ...wait, signal });
    yield { type: "routed", route };
    yield { type: "end", reason: "load", promptTokens: 0, tokens: 0 };
  };
}
