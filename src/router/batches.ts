import { afterThisTurn } from "../core/after-this-turn.ts";

/** One message holds at most this many events, so that a reader who is behind gets them in portions. */
const BATCH_MAX = 64;

/** When a value goes on: with what is ready at the same moment, not before the one after it, or at once, as the last. */
export type Pace = "together" | "with the next" | "last";

/**
 * Groups what is ready at the same moment: the first value of a batch is never held back, and while its reader is busy
 * with one batch the next one fills. At most one value is asked for ahead of the batch.
 */
export async function* batches<T>(
  values: AsyncIterable<T>,
  paceOf: (value: T) => Pace = () => "together",
): AsyncIterable<readonly T[]> {
  const iterator = values[Symbol.asyncIterator]();
  const inFlight: { result?: IteratorResult<T>; error?: { readonly reason: unknown } } = {};
  const ask = (): Promise<void> =>
    iterator.next().then(
      (result) => {
        inFlight.result = result;
      },
      (reason: unknown) => {
        inFlight.error = { reason };
      },
    );
  let pending: Promise<void> | undefined = ask();
  try {
    while (pending !== undefined) {
      await pending;
      let batch: T[] = [];
      while (inFlight.result && !inFlight.result.done && batch.length < BATCH_MAX) {
        const { value } = inFlight.result;
        batch.push(value);
        delete inFlight.result;
        const pace = paceOf(value);
        if (pace === "last") {
          yield batch;
          batch = [];
        }
        pending = ask();
        if (pace === "together") await nothingReady();
        else await pending;
      }
      if (batch.length > 0) yield batch;
      if (inFlight.error) throw inFlight.error.reason;
      if (inFlight.result?.done) pending = undefined;
    }
  } finally {
    // A reader who leaves stops the source; one that is in the midst of a step ends it first.
    if (pending !== undefined) await iterator.return?.();
  }
}

/** When all that is ready has come. */
function nothingReady(): Promise<void> {
  return new Promise((resolve) => afterThisTurn(resolve));
}
