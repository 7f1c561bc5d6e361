// Runs before `npm start` and `npm test`, on whatever Node there is (16 or newer) and with nothing installed: brings the
// dependencies, Node 24 among them, when they are missing or differ from package-lock.json. Otherwise it takes milliseconds.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
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
