import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/log.ts";
import { ManagementError } from "../core/management.ts";
import type { Waiting } from "../core/ports.ts";
import type { Random } from "../core/random.ts";
import { backoffMs } from "../core/retry.ts";
import { TransferError } from "./errors.ts";

export interface TryDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** Ollama's number (server/download.go). */
const TRIES_MAX = 6;
const PAUSE = { firstMs: 1_000, maxMs: 16_000 };

/**
 * Tries again what may pass. Only tries that bring nothing are counted, so that a line that breaks now and then does not end a
 * long download; nor is a stall, which has taken its time already.
 */
export async function withTries<T>(
  action: () => Promise<T>,
  { clock, random, log }: TryDeps,
  { signal, progress = () => 0 }: Waiting & { readonly progress?: () => number },
): Promise<T> {
  let brought = progress();
  for (let failures = 0; ; ) {
    try {
      return await action();
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof TransferError)) throw error;
      const { code, message } = error;
      log.debug({ code, reason: message }, "a part of a transfer failed");
      if (progress() > brought) failures = 0;
      brought = progress();
      if (code === "STALLED") continue;
      failures++;
      if (failures === TRIES_MAX) {
        const text = `max retries exceeded: ${message}`;
        throw new ManagementError("TRANSFER_FAILED", text, { cause: error });
      }
      await clock.sleep(backoffMs(PAUSE, failures, random), signal);
    }
  }
}
