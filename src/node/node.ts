import type { Api } from "../api/api.ts";
import { ModelStore } from "../blobs/model-store.ts";
import { messageOf } from "../core/errors.ts";
import { LlamaEngine } from "../engine/llama-engine.ts";
import { parseClusterKey } from "../mesh/cluster-key.ts";
import { loadOrCreateIdentity } from "../mesh/identity.ts";
import { Mesh } from "../mesh/mesh.ts";
import { MetricsServer } from "../observability/metrics-server.ts";
import { Prometheus } from "../observability/prometheus.ts";
import { History } from "../registry/history.ts";
import type { Registry } from "../registry/registry.ts";
import { Router } from "../router/router.ts";
import { servePeers } from "../router/serve-peers.ts";
import { announceModels } from "./announce-models.ts";
import { hasKeptClusterKeys, resolveClusterKeys } from "./cluster-keys.ts";
import { followClusterPolicy } from "./cluster-policy.ts";
import { engineOptions, meshOptions, metricsOptions } from "./component-options.ts";
import type { Config } from "./config/config.ts";
import { takeDataDir } from "./data-dir.ts";
import type { NodeDeps } from "./deps.ts";
import { openApi } from "./open-api.ts";
import { openCache } from "./open-cache.ts";
import { openManagement } from "./open-management.ts";
import { openNodeJobs } from "./open-placement.ts";
import { openRecords } from "./open-records.ts";
import { openRegistry } from "./open-registry.ts";
import { openUpkeep } from "./open-upkeep.ts";
import { SelfReport } from "./self-report.ts";

/** Running requests may end for this long once the node was asked to stop. */
const DRAIN_MS = 25_000;
const DRAIN_POLL_MS = 50;
const LEAVE_MS = 2_000;

export interface NodeOptions extends Config {
  /** False: only check the database's schema. */
  readonly migrate: boolean;
}

export interface Node extends AsyncDisposable {
  readonly address: {
    readonly nodeId: string;
    readonly apiUrl: string;
    readonly webUrl: string;
    readonly metricsUrl: string;
  };
  /** No new requests; running ones end; the others are told. Then the node can be disposed. */
  drain(): Promise<void>;
}

/** Opens every component, lowest first. If one fails to open, those already open are closed again. */
export async function startNode(options: NodeOptions, deps: NodeDeps): Promise<Node> {
  await using stack = new AsyncDisposableStack();
  const { log } = deps;
  const metrics = new Prometheus();
  const component = (name: string) => ({ ...deps, metrics, log: log.child({ component: name }) });

  stack.use(await takeDataDir(options.OLLAMA_DATA_DIR));
  const identity = await loadOrCreateIdentity(options.OLLAMA_DATA_DIR);
  const hasKeptKey = await hasKeptClusterKeys(options.OLLAMA_DATA_DIR);
  const registry = await openRegistry(options, hasKeptKey, stack, component("registry"));
  const history = stack.use(History.open({ ...component("history"), registry }));
  const cache = stack.use(openCache(options, component("cache")));
  const keys = await clusterKeys(options, registry, deps);
  const models = stack.use(
    await ModelStore.open({ dir: options.OLLAMA_MODELS }, component("blobs")),
  );
  let tellLoaded = (): void => {};
  const engine = stack.use(
    await LlamaEngine.open(engineOptions(options), {
      ...{ ...component("engine"), models },
      onLoadedChange: () => tellLoaded(),
    }),
  );
  const report = stack.use(await SelfReport.open(reportOptions(options), { ...deps, engine }));
  const mesh = stack.use(
    await Mesh.open(meshOptions(options, keys), {
      ...component("mesh"),
      identity,
      report: () => report.report(),
      directory: registry,
    }),
  );
  tellLoaded = () => mesh.touch();
  const { view, replicas, streams } = mesh;
  stack.use(servePeers({ ...component("router"), streams, engine, models }));
  const { jobs, jobMetrics } = openNodeJobs(registry, stack, component("jobs"));
  const managed = await openManagement(
    { options, identity, models, engine, report, mesh, jobs, registry },
    stack,
    component("management"),
  );
  const scrub = await openUpkeep(
    options,
    { models, engine, ...managed },
    stack,
    component("blobs"),
  );
  const router = stack.use(
    Router.open({
      ...component("router"),
      ...{ view, replicas, streams, engine, models },
      recorder: history,
    }),
  );
  const records = { registry, cache, mesh, models, jobs, jobMetrics, scrub, ...managed };
  const sync = await openRecords(options, records, stack, component("registry"));
  const api = await openApi(
    options,
    { ...managed, registry, cache, inference: router, mesh, engine, models, history },
    stack,
    component,
  );
  stack.use(
    followClusterPolicy(registry, mesh, { ...component("mesh"), dataDir: options.OLLAMA_DATA_DIR }),
  );
  const scraped = stack.use(await MetricsServer.open(metricsOptions(options), metrics));
  report.apiUrl = api.url;
  stack.use(announceModels(models, replicas, () => sync.touch()));
  mesh.touch();

  const address = addressOf(identity.nodeId, api, scraped);
  log.info({ ...address, p2p: mesh.multiaddrs() }, "node is ready");
  const opened = stack.move();
  return {
    address,
    drain: () => finishRequests({ report, mesh, api, engine }, deps),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

function addressOf(nodeId: string, api: Api, { url: metricsUrl }: MetricsServer): Node["address"] {
  return { nodeId, apiUrl: api.url, webUrl: api.webUrl, metricsUrl };
}

async function clusterKeys(
  options: NodeOptions,
  registry: Registry,
  { stopping }: NodeDeps,
): Promise<readonly Uint8Array[]> {
  const { OLLAMA_DATA_DIR: dataDir, OLLAMA_CLUSTER_KEY: configured } = options;
  const source = registry.ready() ? registry : undefined;
  const keys = await resolveClusterKeys({ dataDir, configured }, source, { signal: stopping });
  return keys.map(parseClusterKey);
}

function reportOptions(options: NodeOptions) {
  return {
    name: options.OLLAMA_NODE_NAME,
    region: options.OLLAMA_REGION ?? "",
    zone: options.OLLAMA_ZONE ?? "",
    modelsDir: options.OLLAMA_MODELS,
  };
}

/** The others are told first, so that they look elsewhere before this node refuses anything. */
async function finishRequests(
  parts: {
    readonly report: SelfReport;
    readonly mesh: Mesh;
    readonly api: Api;
    readonly engine: LlamaEngine;
  },
  { clock, log }: NodeDeps,
): Promise<void> {
  const { report, mesh, api, engine } = parts;
  report.state = "draining";
  mesh.touch();
  const signal = AbortSignal.timeout(DRAIN_MS);
  try {
    await api.drain({ signal });
    // What came from peers is not the API's: the engine knows.
    while (engine.status().running + engine.status().queued > 0) {
      await clock.sleep(DRAIN_POLL_MS, signal);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  if (signal.aborted) log.warn({}, "requests under way were cut off");
  report.state = "leaving";
  await mesh
    .leave({ signal: AbortSignal.timeout(LEAVE_MS) })
    .catch((error: unknown) => log.warn({ problem: messageOf(error) }, "leaving was not told"));
}
