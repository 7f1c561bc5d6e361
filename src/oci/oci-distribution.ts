import type { KeyObject } from "node:crypto";
import type { Clock } from "../core/clock.ts";
import type { Distribution, ManifestShelf, RegistryRequest } from "../core/distribution.ts";
import type { Logger } from "../core/log.ts";
import { ManagementError, type Progress } from "../core/management.ts";
import type { PieceStore } from "../core/pieces.ts";
import type { BlobStore, Waiting } from "../core/ports.ts";
import type { Random } from "../core/random.ts";
import { asManagementError } from "./errors.ts";
import { Pulls } from "./pull.ts";
import { push } from "./push.ts";
import { Repository } from "./repository.ts";
import { RegistrySession } from "./session.ts";

export interface OciDistributionDeps {
  readonly shelf: ManifestShelf;
  readonly blobs: Pick<BlobStore, "stat" | "read">;
  readonly pieces: PieceStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** What registries are told of us: some serve models to an Ollama of a certain age only. */
  readonly userAgent: string;
  /** An Ed25519 private key: who we are to registries of Ollama's kind. Unset: nobody. */
  readonly identity?: KeyObject;
}

/** Each may have sixteen connections. */
const RUNNING_MAX = 32;

/** Models from and to registries. Holds nothing between calls; what runs ends with the last call that wants it. */
export class OciDistribution implements Distribution {
  readonly #deps: OciDistributionDeps;
  readonly #pulls: Pulls;
  #running = 0;

  constructor(deps: OciDistributionDeps) {
    this.#deps = deps;
    this.#pulls = new Pulls(deps);
  }

  async *pull(request: RegistryRequest, o: Waiting): AsyncIterable<Progress> {
    yield* this.#reported(this.#pulls.pull(this.#repository(request), request.name, o));
  }

  async *push(request: RegistryRequest, o: Waiting): AsyncIterable<Progress> {
    yield* this.#reported(push(this.#repository(request), request.name, this.#deps, o));
  }

  async *#reported(lines: AsyncIterable<Progress>): AsyncIterable<Progress> {
    if (this.#running >= RUNNING_MAX) {
      const message = `this node pulls and pushes ${RUNNING_MAX} models already: try again later`;
      throw new ManagementError("TRANSFERS_BUSY", message);
    }
    this.#running++;
    try {
      yield* lines;
    } catch (error) {
      throw asManagementError(error);
    } finally {
      this.#running--;
    }
  }

  #repository({ name, insecure, scheme = "https" }: RegistryRequest): Repository {
    if (scheme === "http" && !insecure) {
      throw new ManagementError("INSECURE_PROTOCOL", "insecure protocol http");
    }
    const url = URL.parse(`${insecure ? "http" : "https"}://${name.host}`);
    if (!url) {
      throw new ManagementError("INVALID_MODEL_NAME", `no registry can have the name ${name.host}`);
    }
    return new Repository(new RegistrySession(url, this.#deps), name);
  }
}

/** As Ollama's own, `version` being that of the Ollama whose protocol this is. */
export function userAgentOf(version: string, ownVersion: string): string {
  const arch = process.arch === "x64" ? "amd64" : process.arch;
  return `ollama/${version} (${arch} ${process.platform}) ollamamax/${ownVersion}`;
}
