import type { Clock } from "../../core/clock.ts";
import { InferenceError } from "../../core/errors.ts";
import type { GenerateEvent, Logprob, Route, RoutedEvent } from "../../core/inference.ts";
import { omitEmpty } from "../json/go-json.ts";
import type { Output, OutputReader } from "../output/output-reader.ts";

/** What decides an answer's status: what comes before it may still end in an error of another status. */
export type Content =
  | ({ readonly type: "output" } & Output)
  | Extract<GenerateEvent, { readonly type: "end" | "rendered" }>;

export type End = Extract<Content, { readonly type: "end" }>;

/** An answer whose first content has come. */
export interface Begun {
  readonly route: Route | undefined;
  /** Whoever leaves it early stops the engine, also before the first read. */
  readonly content: AsyncIterableIterator<Content>;
  readonly loadMs: () => number;
}

/**
 * Waits for the first content, so that every failure before it keeps its own status. Whoever gets the answer must read
 * or leave `content`.
 */
export async function begin(
  events: AsyncIterable<RoutedEvent>,
  reader: OutputReader,
): Promise<Begun> {
  const iterator = events[Symbol.asyncIterator]();
  let route: Route | undefined;
  let loadMs = 0;
  let ended: End | undefined;
  const next = async (): Promise<IteratorResult<Content, undefined>> => {
    if (ended) return { done: false, value: ended };
    for (;;) {
      const { done, value: event } = await iterator.next();
      if (done) return { done, value: undefined };
      if (event.type === "routed") route = event;
      else if (event.type === "started") loadMs += event.loadMs;
      else if (event.type === "end") ended = event;
      const output = reader.read(event);
      if (output) return { done: false, value: { type: "output", ...output } };
      if (event.type === "end" || event.type === "rendered") return { done: false, value: event };
    }
  };
  let first: IteratorResult<Content, undefined> | undefined = await next();
  if (first.done) throw endedEarly();
  // Not a generator: leaving one that was never read would not reach the engine.
  const content: AsyncIterableIterator<Content> = {
    [Symbol.asyncIterator]: () => content,
    next: async () => {
      const ready = first ?? (await next());
      first = undefined;
      return ready;
    },
    return: async () => {
      await iterator.return?.();
      return { done: true, value: undefined };
    },
  };
  return { route, content, loadMs: () => loadMs };
}

/** Every answer has an end; clients wait for it. */
export function endedEarly(): InferenceError {
  return new InferenceError("STREAM_BROKEN", "the answer broke off before its end");
}

const NANOSECONDS_PER_MS = 1_000_000;

/** The figures of the last object; zero ones are left out, as Go does. */
export function metrics(
  end: End,
  times: { readonly totalMs: number; readonly loadMs: number },
): Readonly<Record<string, number>> {
  return omitEmpty({
    total_duration: nanoseconds(times.totalMs),
    load_duration: loadDuration(times.loadMs),
    prompt_eval_count: end.promptTokens,
    prompt_eval_duration: nanoseconds(end.promptMs),
    eval_count: end.tokens,
    eval_duration: nanoseconds(end.outputMs),
  }) as Record<string, number>;
}

export function nanoseconds(ms: number): number {
  return Math.round(ms * NANOSECONDS_PER_MS);
}

/** Ollama's answers always have it: no runner is there in no time. */
export function loadDuration(ms: number): number {
  return Math.max(1, nanoseconds(ms));
}

/** RFC 3339 in UTC. */
export function timestamp(clock: Clock): string {
  return new Date(clock.wallMs()).toISOString();
}

export function logprobsField(logprobs: readonly Logprob[] | undefined): Record<string, unknown> {
  if (!logprobs || logprobs.length === 0) return {};
  return {
    logprobs: logprobs.map(({ token, logprob, bytes, top }) => ({
      token,
      logprob,
      bytes,
      ...(top && top.length > 0
        ? { top_logprobs: top.map(({ token, logprob, bytes }) => ({ token, logprob, bytes })) }
        : {}),
    })),
  };
}
