import path from "node:path";
import { Api } from "../api/api.ts";
import { ModelStore } from "../blobs/model-store.ts";
import { AppError } from "../core/errors.ts";
import { LlamaEngine } from "../engine/llama-engine.ts";
import { loadOrCreateIdentity } from "../mesh/identity.ts";
import { Mesh } from "../mesh/mesh.ts";
import { Leader } from "../registry/leader.ts";
import { RegistrySync } from "../registry/registry-sync.ts";
import { Router } from "../router/router.ts";
import { servePeers } from "../router/serve-peers.ts";
import { announceModels } from "./announce-models.ts";
import { apiOptions, engineOptions, meshOptions } from "./component-options.ts";
import type { Config } from "./config/config.ts";
import { takeDataDir } from "./data-dir.ts";
import type { NodeDeps } from "./deps.ts";
import { openRegistry } from "./open-registry.ts";
import { SelfReport } from "./self-report.ts";

/** Running requests may end for this long once the node was asked to stop. */
const DRAIN_MS = 25_000;
const LEAVE_MS = 2_000;

export interface NodeOptions extends Config {
  /** False: only check the database's schema. */
  readonly migrate: boolean;
}

export interface Node extends AsyncDisposable {
  readonly address: { readonly nodeId: string; readonly apiUrl: string; readonly webUrl: string };
  /** No new requests; running ones end; the others are told. Then the node can be disposed. */
  drain(): Promise<void>;
}

/** Opens every component, lowest first. If one fails to open, those already open are closed again. */
export async function startNode(options: NodeOptions, deps: NodeDeps): Promise<Node> {}
