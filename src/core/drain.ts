import type { NodeId } from "./node-id.ts";
import type { Waiting } from "./ports.ts";

/** What a node says of being emptied, so that it can be taken away. */
export interface DrainState {
  readonly draining: boolean;
  /** Since the operator asked for it. */
  readonly sinceMs?: number;
  /** Until it was to be done by; negative: that has passed. */
  readonly deadlineInMs?: number;
  /** Requests that it still answers. */
  readonly running: number;
}

/** Empties this node. The state lasts over a restart. Owner: node. */
export interface NodeDrain {
  state(): DrainState;
  begin(o: Waiting & { readonly deadlineMs?: number }): Promise<void>;
  end(o: Waiting): Promise<void>;
}

export interface DrainedModel {
  readonly name: string;
  readonly sizeBytes: number;
  /** How many nodes that take requests hold it ready, beside this one. */
  readonly elsewhere: number;
}

/** How far a node is. */
export interface DrainProgress extends DrainState {
  readonly node: NodeId;
  readonly name: string;
  readonly models: readonly DrainedModel[];
  /** Nothing would be missed if it went now. */
  readonly canLeave: boolean;
}

/** Empties any node of the cluster. Errors are ManagementErrors. Owner: management. */
export interface Drains {
  /** By id or name. */
  progress(node: string, o: Waiting): Promise<DrainProgress>;
  begin(node: string, o: Waiting & { readonly deadlineMs?: number }): Promise<DrainProgress>;
  end(node: string, o: Waiting): Promise<DrainProgress>;
}
