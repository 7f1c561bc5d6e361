/** A model as the old store knew it, its fields checked and in the registry's terms. */
export interface LegacyModel {
  /** In the old store, for people. */
  readonly key: string;
  /** The full reference: registry.ollama.ai/library/llama3.2:1b. */
  readonly name: string;
  readonly version: string;
  readonly sizeBytes: number;
  /** SHA-256, hex. */
  readonly hash: string;
  readonly contentType: string;
  readonly description: string | undefined;
  readonly tags: readonly string[];
  readonly attributes: Readonly<Record<string, unknown>>;
  /** ISO 8601; undefined: the old store did not say. */
  readonly createdAt: string | undefined;
  readonly updatedAt: string | undefined;
  readonly accessedAt: string | undefined;
  readonly replicas: readonly LegacyReplica[];
}

export interface LegacyReplica {
  /** Whatever the old store called the node. */
  readonly node: string;
  readonly path: string | undefined;
}
