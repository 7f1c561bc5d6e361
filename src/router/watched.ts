import type { Clock } from "../core/clock.ts";
import { InferenceError } from "../core/errors.ts";
import type { GenerateEvent, GenerateRequest } from "../core/inference.ts";
import type { Engine, Waiting } from "../core/ports.ts";
import type { Phase, Watchdog } from "./watchdog.ts";

/** The engine's events; STALLED when the next one takes longer than the watchdog allows. */
export async function* watched(
  engine: Engine,
  request: GenerateRequest,
  watchdog: Watchdog,
  clock: Clock,
  { signal }: Waiting,
): AsyncIterable<GenerateEvent> {
  const stalled = new AbortController();
  const both = AbortSignal.any([signal, stalled.signal]);
  const iterator = engine.generate(request, { signal: both })[Symbol.asyncIterator]();
  let phase: Phase = "first token";
  try {
    for (;;) {
      const askedMs = clock.nowMs();
      const limitMs = watchdog.limitMs(request.model, phase);
      const result = await within(iterator.next(), limitMs, clock, stalled);
      if (result.done) return;
      const event = result.value;
      if (event.type === "text" && phase !== "waiting") {
        watchdog.learn(request.model, phase, clock.nowMs() - askedMs);
      }
      phase = phaseAfter(event);
      yield event;
    }
  } finally {
    stalled.abort();
    // The abort ends a step that is under way; nobody waits for a source that does not heed it.
    void iterator.return?.()?.then(undefined, () => {});
  }
}

function phaseAfter(event: GenerateEvent): Phase {
  if (event.type === "queued" || event.type === "loading") return "waiting";
  return event.type === "text" ? "next token" : "first token";
}

async function within<T>(
  step: Promise<T>,
  limitMs: number,
  clock: Clock,
  stalled: AbortController,
): Promise<T> {
  const timer = new AbortController();
  const late = clock.sleep(limitMs, timer.signal).then(() => {
    const seconds = (limitMs / 1_000).toFixed(1);
    throw new InferenceError("STALLED", `the node said nothing for ${seconds} s`);
  });
  late.catch(() => {}); // When the step was in time, its timer's abort is nobody's error.
  step.catch(() => {}); // When it was not, what becomes of the step is nobody's either.
  try {
    return await Promise.race([step, late]);
  } catch (error) {
    if (error instanceof InferenceError && error.code === "STALLED") stalled.abort(error);
    throw error;
  } finally {
    timer.abort();
  }
}
