import type { Cache } from "../core/cache.ts";
import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import type { Waiting } from "../core/ports.ts";
import { modelsChanged } from "./cached-catalog.ts";

/** With what a look takes, nobody shows what was for longer than a second. */
const POLL_MS = 500;

export interface ModelChangesDeps {
  readonly clock: Clock;
  readonly log: Logger;
}

export interface ModelChanges {
  readonly ready: () => boolean;
  /** The ids of what has changed lately. */
  readonly recent: (o: Waiting) => Promise<readonly string[]>;
}

/**
 * Tells the cache of models that changed, as the registry has it, until disposed: a node or a program that changes a model
 * and cannot reach Redis itself is not the only one that can tell.
 */
export function followModelChanges(
  changes: ModelChanges,
  cache: Cache,
  deps: ModelChangesDeps,
): AsyncDisposable {
  const stopping = new AbortController();
  const following = follow(changes, cache, deps, stopping.signal);
  return {
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      await following;
    },
  };
}

async function follow(
  changes: ModelChanges,
  cache: Cache,
  { clock, log }: ModelChangesDeps,
  signal: AbortSignal,
): Promise<void> {
  let known: ReadonlySet<string> = new Set();
  while (!signal.aborted) {
    try {
      if (changes.ready()) {
        const recent = await changes.recent({ signal });
        const isNew = recent.some((id) => !known.has(id));
        known = new Set(recent);
        if (isNew) await modelsChanged(cache);
      }
    } catch (error) {
      if (!signal.aborted) log.debug({ problem: messageOf(error) }, "changes of models not read");
    }
    await clock.sleep(POLL_MS, signal).catch(() => {});
  }
}
