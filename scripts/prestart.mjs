// Runs before `npm start` and `npm test`, on whatever Node there is (16 or newer) and with nothing installed: brings the
// dependencies, Node 24 among them, when they are missing or differ from package-lock.json. Otherwise it takes milliseconds.
// With --test also what the tests need of the system: Redis.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stamp = join(root, "node_modules", ".ollamamax-installed");
const wanted = createHash("sha256")
  .update(readFileSync(join(root, "package-lock.json")))
  .update(`${process.platform}-${process.arch}`)
  .digest("hex");

if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== wanted) {
  const started = Date.now();
  process.stdout.write("Installing what OllamaMax needs (once, about a minute) …\n");
  install();
  writeFileSync(stamp, wanted);
  process.stdout.write(`Installed in ${((Date.now() - started) / 1000).toFixed(1)} s.\n`);
}

if (process.argv.includes("--test") && !hasRedis()) {
  const isDebianRoot = process.getuid?.() === 0 && existsSync("/etc/debian_version");
  const problem = isDebianRoot ? installRedis() : "";
  if (!hasRedis()) {
    process.stdout.write(
      `${problem}Tests that need Redis are skipped: install redis-server (on Debian, apt-get install redis-server) to run them.\n`,
    );
  }
}

function hasRedis() {
  return spawnSync("redis-server", ["--version"]).status === 0;
}

/** The package, and no service: the tests start servers of their own. Returns what went wrong, as a sentence. */
function installRedis() {
  process.stdout.write(
    "Installing Debian's redis-server for the tests, without starting its service …\n",
  );
  // Debian's maintainer scripts ask this file before they start anything; 101 forbids it.
  const policy = "/usr/sbin/policy-rc.d";
  const forbids = !existsSync(policy);
  if (forbids) writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    const packages = ["-y", "-q", "--no-install-recommends", "install", "redis-server"];
    if (aptGet(packages).status === 0) return "";
    // Where no list of packages is there yet, or an old one.
    aptGet(["-q", "update"]);
    const { status, error, stderr } = aptGet(packages);
    if (status === 0) return "";
    const reason = error ? error.message : String(stderr).trim().split("\n").at(-1);
    return `Could not install redis-server: ${reason}. `;
  } finally {
    if (forbids) unlinkSync(policy);
  }
}

function aptGet(args) {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  return spawnSync("apt-get", args, { env, stdio: ["ignore", "ignore", "pipe"], timeout: 180_000 });
}

function install() {
  const npm = process.env.npm_execpath;
  const args = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
  const result = npm
    ? spawnSync(process.execPath, [npm, ...args], { cwd: root, stdio: "inherit" })
    : spawnSync("npm", args, { cwd: root, stdio: "inherit" });
  if (result.status === 0) return;
  const reason = result.error ? result.error.message : `npm ci ended with code ${result.status}`;
  process.stderr.write(
    `Could not install the dependencies: ${reason}. ` +
      "See npm's lines above; check the network and the free disk space (1.5 GB), then try again.\n",
  );
  process.exit(1);
}
