import os from "node:os";

/** The share of all cores that this machine's processes have used between two looks. */
export class Busyness {
  #last = usage();

  /** Since the last look: 0 (idle) to 1. */
  look(): number {
    const now = usage();
    const busy = now.busyMs - this.#last.busyMs;
    const total = now.totalMs - this.#last.totalMs;
    this.#last = now;
    return total > 0 ? busy / total : 0;
  }
}

function usage(): { readonly busyMs: number; readonly totalMs: number } {
  const times = os.cpus().map((cpu) => cpu.times);
  const totalMs = times.reduce((sum, t) => sum + t.user + t.nice + t.sys + t.idle + t.irq, 0);
  const idleMs = times.reduce((sum, t) => sum + t.idle, 0);
  return { busyMs: totalMs - idleMs, totalMs };
}

export function describeMachine(): string {
  const cpus = os.cpus();
  const memoryGb = Math.round(os.totalmem() / 2 ** 30);
  return `${cpus.length} × ${cpus[0]?.model.trim() ?? "unknown"}, ${memoryGb} GiB, Node ${process.versions.node}`;
}
