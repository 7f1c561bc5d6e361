/**
 * Calls the action when nothing is ready to run any more, before the event loop goes on to timers and I/O: a tick that is
 * asked for in a microtask comes when no microtask is left.
 */
export function afterThisTurn(action: () => void): void {
  queueMicrotask(() => process.nextTick(action));
}
