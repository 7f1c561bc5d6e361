import { readFile, stat } from "node:fs/promises";

/** Linux splits a device number so (glibc, gnu_dev_major and gnu_dev_minor). */
const major = (device: bigint): bigint => ((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn);
const minor = (device: bigint): bigint => (device & 0xffn) | ((device >> 12n) & ~0xffn);

/**
 * The process that holds a lock on the file, of either kind: LevelDB in C++ takes a POSIX lock, in Go (goleveldb) an flock,
 * and neither sees the other. Undefined when nobody does, or where there is no /proc/locks (proc(5)).
 */
export async function lockHolder(file: string): Promise<number | undefined> {
  const { dev, ino } = await stat(file, { bigint: true });
  const hex = (number: bigint): string => number.toString(16).padStart(2, "0");
  const place = `${hex(major(dev))}:${hex(minor(dev))}:${ino}`;
  const locks = await readFile("/proc/locks", "utf8").catch(() => "");
  for (const line of locks.split("\n")) {
    const fields = line.trim().split(/\s+/);
    const at = fields.indexOf(place);
    if (at > 0) return Number(fields[at - 1]);
  }
  return undefined;
}
