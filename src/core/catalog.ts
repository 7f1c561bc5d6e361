import { AppError } from "./errors.ts";
import type { Waiting } from "./ports.ts";

/** What the registry has recorded, page by page. Owner: registry. Nothing in it is a secret or a prompt. */
export interface Catalog {
  models(filter: ModelFilter, page: PageRequest, o: Waiting): Promise<Page<CatalogModel>>;
  nodes(filter: NodeFilter, page: PageRequest, o: Waiting): Promise<Page<CatalogNode>>;
  replicas(filter: ReplicaFilter, page: PageRequest, o: Waiting): Promise<Page<CatalogReplica>>;
  /** The latest first. */
  requests(filter: RequestFilter, page: PageRequest, o: Waiting): Promise<Page<CatalogRequest>>;
  /** The latest first. */
  audit(filter: AuditFilter, page: PageRequest, o: Waiting): Promise<Page<CatalogChange>>;
}

export interface PageRequest {
  /** From 1 to PAGE_ITEMS_MAX. */
  readonly limit: number;
  /** `next` of the page before, with the same filter. */
  readonly cursor?: string;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** Undefined: this page is the last one. */
  readonly next: string | undefined;
}

export const PAGE_ITEMS_MAX = 200;
export const FILTER_LENGTH_MAX = 500;

/** The message is what a client reads. What is wrong with the database is the registry's own error. */
export class CatalogError extends AppError<"CURSOR_INVALID" | "FILTER_INVALID"> {}

export const MODEL_STATUSES = ["active", "deprecated", "deleted"] as const;
export const NODE_STATUSES = ["active", "draining", "offline", "failed"] as const;
export const REPLICA_STATUSES = ["syncing", "ready", "failed", "deleted"] as const;
export const REQUEST_STATUSES = ["pending", "processing", "completed", "failed"] as const;
export const STRATEGIES = ["single", "failover", "data"] as const;

/**
 * All that is given must hold. A pattern is compared without regard to (ASCII) case, and `*` stands for any text; a model's
 * may leave out Ollama's own host and namespace, as lists do, and the tag to mean any.
 */
export interface ModelFilter {
  /** A pattern. */
  readonly name?: string | undefined;
  /** Each of its words begins a word of the name or the description. */
  readonly search?: string | undefined;
  /** It has them all. */
  readonly tags?: readonly string[] | undefined;
  readonly status?: (typeof MODEL_STATUSES)[number] | undefined;
}

export interface NodeFilter {
  /** A pattern. */
  readonly name?: string | undefined;
  readonly region?: string | undefined;
  readonly zone?: string | undefined;
  readonly status?: (typeof NODE_STATUSES)[number] | undefined;
}

export interface ReplicaFilter {
  /** A pattern. */
  readonly model?: string | undefined;
  readonly node?: string | undefined;
  readonly status?: (typeof REPLICA_STATUSES)[number] | undefined;
}

export interface RequestFilter {
  /** A pattern. */
  readonly model?: string | undefined;
  /** One of those that were asked. */
  readonly node?: string | undefined;
  readonly requestId?: string | undefined;
  readonly status?: (typeof REQUEST_STATUSES)[number] | undefined;
  readonly strategy?: (typeof STRATEGIES)[number] | undefined;
}

export interface AuditFilter {
  readonly table?: string | undefined;
  readonly operation?: string | undefined;
}

/** Times are ISO 8601 in UTC. */
export interface CatalogModel {
  readonly name: string;
  readonly version: string;
  readonly sizeBytes: number;
  readonly digest: string;
  readonly contentType: string;
  readonly description: string | null;
  readonly tags: unknown;
  readonly details: unknown;
  readonly capabilities: unknown;
  readonly status: string;
  readonly replicasWanted: number | null;
  readonly createdBy: string | null;
  readonly createdAt: string | null;
  readonly updatedAt: string | null;
  readonly accessedAt: string | null;
}

export interface CatalogNode {
  readonly id: string;
  readonly name: string | null;
  readonly region: string | null;
  readonly zone: string | null;
  readonly multiaddrs: readonly string[];
  readonly apiUrl: string | null;
  readonly version: string | null;
  readonly status: string;
  readonly lastHeartbeat: string | null;
  readonly createdAt: string | null;
}

export interface CatalogReplica {
  readonly model: string;
  readonly node: string;
  readonly nodeName: string | null;
  readonly digest: string | null;
  readonly sizeBytes: number | null;
  readonly status: string;
  readonly healthScore: number;
  readonly lastVerified: string | null;
  readonly updatedAt: string | null;
}

export interface CatalogRequest {
  readonly requestId: string;
  /** Null: nobody was asked who they are, or the user is gone. */
  readonly userId: string | null;
  readonly model: string;
  readonly promptHash: string | null;
  readonly promptLength: number | null;
  readonly responseLength: number | null;
  readonly tokens: number | null;
  readonly nodes: readonly string[];
  readonly strategy: string | null;
  readonly executionTimeMs: number | null;
  readonly status: string;
  readonly error: string | null;
  readonly metadata: unknown;
  readonly createdAt: string | null;
  readonly completedAt: string | null;
}

export interface CatalogChange {
  readonly table: string;
  readonly operation: string;
  readonly before: unknown;
  readonly after: unknown;
  readonly userId: string | null;
  readonly at: string | null;
}
