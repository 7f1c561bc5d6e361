import type { ManifestDigest } from "./digest.ts";
import type { NodeId } from "./node-id.ts";

/** Keeps what became of each request. Owner: registry. */
export interface Recorder {
  /** Never waits, and never throws. */
  record(request: EndedRequest): void;
}

/** An inference request that has ended, however it did, as the node saw it where it came in. */
export interface EndedRequest {
  readonly requestId: string;
  readonly kind: "generate" | "embed";
  /** Undefined: nobody was asked who they are. */
  readonly userId: string | undefined;
  /** Undefined: it did not come to a node, and the name is as the client gave it. */
  readonly model: ManifestDigest | undefined;
  /** The full reference; undefined: the caller did not say. */
  readonly modelName: string | undefined;
  /** The texts of the prompt, if one was run. Their hash and length are kept, they themselves never. */
  readonly prompt: readonly string[];
  /** Characters of the answer. */
  readonly responseLength: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
  /** Each once, in the order in which they were asked. */
  readonly nodes: readonly NodeId[];
  readonly attempts: number;
  /** One node, one after another failed, or the inputs split over several. */
  readonly strategy: "single" | "failover" | "data";
  /** By this node's wall clock, for people. */
  readonly arrivedAtMs: number;
  readonly durationMs: number;
  /** Undefined: it was answered. */
  readonly failure: { readonly code: string; readonly message: string } | undefined;
}

/** For tests, and for nodes without a registry. */
export const noRecorder: Recorder = { record: () => {} };
