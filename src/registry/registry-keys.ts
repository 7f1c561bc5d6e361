import type { KeyRecord, KeySource } from "../core/auth.ts";
import type { Waiting } from "../core/ports.ts";
import { markKeysUsed, readKeys } from "./api-keys.ts";
import { RegistryError } from "./errors.ts";
import type { Database } from "./pool.ts";

/** The registry as the place where keys are kept. */
export class RegistryKeys implements KeySource {
  readonly #database: Database & { ready(): boolean };

  constructor(database: Database & { ready(): boolean }) {
    this.#database = database;
  }

  async keys(o: Waiting): Promise<readonly KeyRecord[]> {
    if (!this.#database.ready()) {
      throw new RegistryError("DB_UNREACHABLE", "the registry has not been reached yet");
    }
    return await this.#database.run("api_keys_read", readKeys, o);
  }

  async markUsed(keyIds: readonly string[], o: Waiting): Promise<void> {
    await this.#database.run("api_keys_used", (sql) => markKeysUsed(sql, keyIds), o);
  }
}
