import type { Context } from "hono";
import { z } from "zod";
import {
  type CatalogNode,
  type CatalogReplica,
  NODE_STATUSES,
  REPLICA_STATUSES,
} from "../../core/catalog.ts";
import type { RouteContext } from "../deps.ts";
import type { ApiEnv } from "../http/request-signal.ts";
import { shortNameOf } from "../ollama/find-model.ts";
import { filterText, listingReply, oneOf } from "./listing.ts";

const nodeFilters = z.object({
  name: filterText,
  region: filterText,
  zone: filterText,
  status: oneOf(NODE_STATUSES),
});

/** GET /api/cluster/registry/nodes: every node that was ever recorded; /api/cluster/nodes has those that live. */
export function registryNodes(c: Context<ApiEnv>, context: RouteContext): Promise<Response> {
  return listingReply(c, context, {
    name: "nodes",
    filters: nodeFilters,
    page: (filter, page, o) => context.catalog.nodes(filter, page, o),
    entry: (node: CatalogNode) => ({
      id: node.id,
      name: node.name,
      region: node.region,
      zone: node.zone,
      multiaddrs: node.multiaddrs,
      api_url: node.apiUrl,
      version: node.version,
      status: node.status,
      last_heartbeat: node.lastHeartbeat,
      created_at: node.createdAt,
    }),
  });
}

const replicaFilters = z.object({
  model: filterText,
  node: filterText,
  status: oneOf(REPLICA_STATUSES),
});

/** GET /api/cluster/registry/replicas: as recorded; /api/cluster/replicas has what is known at this moment. */
export function registryReplicas(c: Context<ApiEnv>, context: RouteContext): Promise<Response> {
  return listingReply(c, context, {
    name: "replicas",
    filters: replicaFilters,
    page: (filter, page, o) => context.catalog.replicas(filter, page, o),
    entry: (replica: CatalogReplica) => ({
      model: shortNameOf(replica.model),
      node: replica.node,
      node_name: replica.nodeName,
      digest: replica.digest,
      size: replica.sizeBytes,
      status: replica.status,
      health_score: replica.healthScore,
      last_verified: replica.lastVerified,
      updated_at: replica.updatedAt,
    }),
  });
}
