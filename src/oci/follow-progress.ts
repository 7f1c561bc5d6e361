import type { Clock } from "../core/clock.ts";
import type { Waiting } from "../core/ports.ts";

/** Ollama's interval of progress lines. */
export const PROGRESS_MS = 60;

/**
 * How far the work has come, once that is known and whenever it has changed, until it ends. Its failure is this one's too.
 */
export async function* followProgress(
  work: { readonly ended: Promise<void>; readonly completedBytes: () => number | undefined },
  clock: Clock,
  { signal }: Waiting,
): AsyncIterable<number> {
  const ended = new AbortController();
  const end = (): void => ended.abort();
  work.ended.then(end, end);
  const either = AbortSignal.any([signal, ended.signal]);
  let toldBytes: number | undefined;
  while (!either.aborted) {
    const bytes = work.completedBytes();
    if (bytes !== undefined && bytes !== toldBytes) yield bytes;
    toldBytes = bytes;
    await clock.sleep(PROGRESS_MS, either).catch(() => {});
  }
  signal.throwIfAborted();
  await work.ended;
}
