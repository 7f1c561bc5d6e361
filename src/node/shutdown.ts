/** A terminal's Ctrl-C can arrive twice (from the terminal and from npm); a person's second one comes later than this. */
const REPEAT_MS = 1_000;

export interface ShutdownOptions {
  readonly deadlineMs: number;
  /** Told once, when the first signal comes. */
  readonly onFirst?: (reason: string) => void;
  /** Told when the process ends without waiting any longer. */
  readonly onForced?: () => void;
}

/**
 * Aborts on the first SIGINT or SIGTERM, or when the process that started this one has gone (its IPC channel closes).
 * A second signal, or a shutdown that takes longer than the deadline, ends the process with code 1.
 */
export function shutdownSignal(options: ShutdownOptions): AbortSignal & Disposable {
  const controller = new AbortController();
  let firstAtMs = 0;
  let deadline: NodeJS.Timeout | undefined;
  const force = (): void => {
    options.onForced?.();
    process.exit(1);
  };
  const begin = (reason: string): void => {
    if (controller.signal.aborted) {
      if (performance.now() - firstAtMs > REPEAT_MS) force();
      return;
    }
    firstAtMs = performance.now();
    options.onFirst?.(reason);
    deadline = setTimeout(force, options.deadlineMs);
    deadline.unref();
    controller.abort(new DOMException(reason, "AbortError"));
  };
  const onDisconnect = (): void => begin("the process that started this one has gone");
  process.on("SIGINT", begin);
  process.on("SIGTERM", begin);
  process.once("disconnect", onDisconnect);
  return Object.assign(controller.signal, {
    [Symbol.dispose]: () => {
      clearTimeout(deadline);
      process.off("SIGINT", begin);
      process.off("SIGTERM", begin);
      process.off("disconnect", onDisconnect);
    },
  });
}
