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

/** Above this the numbers are those of a machine that does something else too. */
const BUSY_SHARE = 0.1;
const LOOK_MS = 2_000;

/** Looks for a while, and says how busy the machine is before a benchmark begins. */
export async function tellBusyness(): Promise<void> {
  const busyness = new Busyness();
  await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  const share = busyness.look();
  const percent = `${Math.round(share * 100)} %`;
  console.log(
    share > BUSY_SHARE
      ? `THE MACHINE IS BUSY: ${percent} before the start`
      : `machine: ${percent} busy before the start`,
  );
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
