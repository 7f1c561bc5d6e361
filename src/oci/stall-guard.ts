import type { Clock } from "../core/clock.ts";
import type { Waiting } from "../core/ports.ts";
import { TransferError } from "./errors.ts";

/** Ollama's patience with a part that brings nothing (server/download.go). */
export const STALL_MS = 30_000;

export interface Moving extends Waiting {
  /** Something came, or went. */
  readonly touch: () => void;
}

/** Runs the action, whose signal aborts with STALLED once nothing has moved for so long. */
export async function whileMoving<T>(
  clock: Clock,
  { signal, idleMs = STALL_MS }: Waiting & { readonly idleMs?: number },
  action: (o: Moving) => Promise<T>,
): Promise<T> {
  const stalled = new AbortController();
  const ended = new AbortController();
  let movedMs = clock.nowMs();
  const touch = (): void => {
    movedMs = clock.nowMs();
  };
  const watch = async (): Promise<void> => {
    for (let restMs = idleMs; restMs > 0; restMs = movedMs + idleMs - clock.nowMs()) {
      await clock.sleep(restMs, ended.signal);
    }
    stalled.abort(new TransferError("STALLED", `nothing came for ${idleMs / 1_000} s`));
  };
  const watching = watch().catch(() => {});
  try {
    return await action({ signal: AbortSignal.any([signal, stalled.signal]), touch });
  } catch (error) {
    signal.throwIfAborted();
    stalled.signal.throwIfAborted();
    throw error;
  } finally {
    ended.abort();
    await watching;
  }
}
