import type { Authority } from "../core/auth.ts";
import type { Catalog } from "../core/catalog.ts";
import type { Clock } from "../core/clock.ts";
import type { ClusterFiles } from "../core/distribution.ts";
import type { Drains } from "../core/drain.ts";
import type { Recorder } from "../core/history.ts";
import type { Logger } from "../core/log.ts";
import type { Management } from "../core/management.ts";
import type { Metrics } from "../core/metrics.ts";
import type { ReplicaWishes } from "../core/placement.ts";
import type {
  BlobStore,
  ClusterView,
  Engine,
  Inference,
  LocalModels,
  ReplicaIndex,
  Waiting,
} from "../core/ports.ts";
import type { Random } from "../core/random.ts";
import type { Transfers } from "../core/transfers.ts";
import type { AskedNames } from "./ollama/asked-names.ts";

export interface ApiOptions {
  /** Port 0: any free one. */
  readonly host: string;
  readonly port: number;
  readonly webHost: string;
  readonly webPort: number;
  /** Origins that browsers may call from, beside the local ones; "*" may stand for a part of one. */
  readonly origins: readonly string[];
  readonly bodyBytesMax: number;
  /** Of all large bodies together that are in memory at a time. */
  readonly bodiesBytesMax: number;
  /** Of OllamaMax. */
  readonly version: string;
  /** The Ollama whose API this is. */
  readonly ollamaVersion: string;
}

export interface Readiness {
  readonly name: string;
  readonly ready: boolean;
  readonly reason?: string;
  /** Requests are served without it. */
  readonly optional?: true;
}

/** A store beside this process. */
export interface Store {
  /** Rejects, with a sentence for people, unless it answers. */
  ping(o: Waiting): Promise<void>;
}

export interface ApiDeps {
  readonly inference: Inference;
  readonly view: ClusterView;
  readonly replicas: ReplicaIndex;
  readonly engine: Pick<Engine, "status">;
  readonly models: Pick<LocalModels, "list">;
  readonly blobs: Pick<BlobStore, "stat" | "create">;
  readonly management: Management;
  readonly files: ClusterFiles;
  readonly drains: Drains;
  readonly transfers: Transfers;
  readonly wishes: ReplicaWishes;
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly readiness: () => readonly Readiness[];
  readonly database: Store;
  /** Undefined when none is configured. */
  readonly cache: Store | undefined;
  /** Undefined: whoever reaches the API may do everything. */
  readonly authority: Authority | undefined;
  readonly metrics?: Metrics;
  /** Of the requests that do not come to the router. */
  readonly recorder?: Recorder;
}

/** What a route needs. */
export interface RouteContext extends ApiDeps {
  readonly options: ApiOptions;
  readonly asked: AskedNames;
}
