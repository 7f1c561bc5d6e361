// Run after `npm install` changed package-lock.json: adds the optional packages of other platforms that a registry mirror
// did not offer, so that `npm ci` accepts the file everywhere. They are skipped on this platform and found on theirs.
import { readFileSync, writeFileSync } from "node:fs";

const FILE = "package-lock.json";
const OPERATING_SYSTEMS = {
  android: "android",
  darwin: "darwin",
  mac: "darwin",
  linux: "linux",
  win: "win32",
  win32: "win32",
  windows: "win32",
  freebsd: "freebsd",
};
const PROCESSORS = {
  x64: "x64",
  arm64: "arm64",
  aarch64: "arm64",
  arm: "arm",
  armv7: "arm",
  armv7l: "arm",
  ia32: "ia32",
  riscv64: "riscv64",
};

const lock = JSON.parse(readFileSync(FILE, "utf8"));
let added = 0;
for (const [place, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    if (isThere(place, name)) continue;
    const words = name.split("/").at(-1).split(/[-_.]/);
    const os = words.map((word) => OPERATING_SYSTEMS[word]).find(Boolean);
    const cpu = words.map((word) => PROCESSORS[word]).find(Boolean);
    if (!os || !/^\d/.test(version)) continue;
    const here = os === process.platform && cpu === process.arch && !words.includes("musl");
    if (here) throw new Error(`${name} is for this platform, but npm did not find it`);
    lock.packages[`node_modules/${name}`] = {
      version,
      ...(entry.dev ? { dev: true } : {}),
      ...(cpu ? { cpu: [cpu] } : {}),
      ...(words.includes("musl") ? { libc: ["musl"] } : {}),
      optional: true,
      os: [os],
    };
    added++;
  }
}
const sorted = Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1));
lock.packages = Object.fromEntries(sorted);
writeFileSync(FILE, `${JSON.stringify(lock, null, 2)}\n`);
process.stdout.write(`${added} packages of other platforms added to ${FILE}\n`);

/** Beside the package that wants it, or in any folder above, as Node resolves. */
function isThere(place, name) {
  for (let folder = place; ; folder = folder.slice(0, folder.lastIndexOf("/node_modules/"))) {
    if (lock.packages[`${folder === "" ? "" : `${folder}/`}node_modules/${name}`]) return true;
    if (!folder.includes("/node_modules/")) break;
  }
  return lock.packages[`node_modules/${name}`] !== undefined;
}
