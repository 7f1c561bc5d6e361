import { readFileSync } from "node:fs";
import { z } from "zod";

const packageFile = new URL("../../package.json", import.meta.url);

/** Of this daemon, from package.json. */
export const VERSION = z
  .object({ version: z.string() })
  .parse(JSON.parse(readFileSync(packageFile, "utf8"))).version;

/** The Ollama whose API this is: what clients get from /api/version. */
export const OLLAMA_VERSION = "0.33.0";
