import { readFile } from "node:fs/promises";

/** Field 22 of /proc/PID/stat (proc(5)): with the number it names a process for good. "-" where there is no /proc. */
export async function startTimeOf(pid: number): Promise<string> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "-";
  } catch {
    return "-";
  }
}
