import type { BlobDigest, ManifestDigest } from "./digest.ts";
import type {
  Embeddings,
  EmbedRequest,
  EngineStatus,
  GenerateEvent,
  GenerateRequest,
  LoadRequest,
  Route,
  RoutedEvent,
  Tokens,
  TokensRequest,
} from "./inference.ts";
import type { DescribeOptions, ModelDescription, ModelFiles, ModelRecord } from "./model.ts";
import type { NodeId } from "./node-id.ts";
import type { NodeView } from "./node-view.ts";

/** The last argument of everything that can wait. */
export interface Waiting {
  readonly signal: AbortSignal;
}

/** For requests of clients. */
export interface Asking extends Waiting {
  /** The full reference of the model that was asked for, for the history: requests themselves name it by its digest. */
  readonly modelName?: string;
  /** Who asks, for the history; unset: nobody is told from anybody. */
  readonly userId?: string;
}

// ---- Engine: who runs a model -----------------------------------------------------------------------------------------

/** Runs models: in child processes of this node, on a server beside it, or on a peer. Errors are InferenceErrors. */
export interface Engine {
  /** What it does now. No I/O. */
  status(): EngineStatus;
  /** Loads the model, or touches its keep-alive when it is loaded. */
  load(request: LoadRequest, o: Waiting): Promise<{ readonly loadMs: number }>;
  /** Ends the model's keep-alive: it goes now if it is idle, else as soon as it is, for which nobody waits. Not loaded, nothing happens. */
  unload(model: ManifestDigest, o: Waiting): Promise<void>;
  /** Leaving the iteration or aborting the signal stops the model within a token or two. */
  generate(request: GenerateRequest, o: Waiting): AsyncIterable<GenerateEvent>;
  embed(request: EmbedRequest, o: Waiting): Promise<Embeddings>;
  tokens(request: TokensRequest, o: Waiting): Promise<Tokens>;
}

/** The cluster as one engine: picks replicas and tries others when one fails. Owner: router. */
export interface Inference {
  generate(request: GenerateRequest, o: Asking): AsyncIterable<RoutedEvent>;
  embed(request: EmbedRequest, o: Asking): Promise<Embeddings & { readonly route: Route }>;
  tokens(request: TokensRequest, o: Waiting): Promise<Tokens & { readonly route: Route }>;
  load(
    request: LoadRequest,
    o: Waiting,
  ): Promise<{ readonly loadMs: number; readonly route: Route }>;
  /** On every node that has it loaded. */
  unload(model: ManifestDigest, o: Waiting): Promise<void>;
  /** From this node's files, or a holder's. */
  show(
    model: ManifestDigest,
    options: DescribeOptions,
    o: Waiting,
  ): Promise<{ readonly description: ModelDescription; readonly route: Route }>;
}

// ---- The cluster as this node sees it ---------------------------------------------------------------------------------

export interface NodeChange {
  readonly node: NodeView;
  readonly kind: "joined" | "changed" | "suspect" | "failed" | "left";
}

/** Owner: mesh. Pure data, never waits. */
export interface ClusterView {
  self(): NodeView;
  /** Every known node, this one first, tombstones included. */
  nodes(): readonly NodeView[];
  /** Changes from now on; a reader that falls far behind loses the oldest. */
  changes(o: Waiting): AsyncIterable<NodeChange>;
  /** The data path feeds detection: tokens just served are proof of life, a failed or stalled request is suspicious. */
  observe(node: NodeId, evidence: "served" | "failed" | "stalled"): void;
}

export interface Holder {
  readonly node: NodeId;
  readonly state: "syncing" | "ready" | "failed";
  /** Since the announcement or list that told us, by our own clock. */
  readonly ageMs: number;
}

export interface KnownModel {
  readonly record: ModelRecord;
  readonly holders: readonly Holder[];
}

export type LocalReplicaChange =
  | { readonly state: "syncing" | "ready" | "failed"; readonly record: ModelRecord }
  | { readonly state: "removed"; readonly name: string };

/** Owner: mesh, fed by announcements and anti-entropy. A name may stand for different manifests on different nodes. */
export interface ReplicaIndex {
  holders(model: ManifestDigest): readonly Holder[];
  /** What the cluster can serve, one entry for each name: this node's own manifest, else the one with most ready holders. */
  models(): readonly KnownModel[];
  /** Every replica known, of every node. */
  replicas(): readonly { readonly record: ModelRecord; readonly holder: Holder }[];
  announce(change: LocalReplicaChange): void;
  /** A holder said that it does not have it: fetch its list again. */
  doubt(node: NodeId): void;
}

export const PEER_PROTOCOLS = {
  inference: "/ollamamax/inference/1",
  blob: "/ollamamax/blob/1",
  replicas: "/ollamamax/replicas/1",
  probe: "/ollamamax/probe/1",
  link: "/ollamamax/link/1",
  manage: "/ollamamax/manage/1",
} as const;
export type PeerProtocol = keyof typeof PEER_PROTOCOLS;

/**
 * One exchange of messages with a peer, over a pooled stream: each side sends messages, then ends. Leaving it before both
 * sides have ended resets the stream, which aborts the other side's `signal`.
 */
export interface PeerStream extends AsyncDisposable {
  readonly peer: NodeId;
  /** Aborts when the peer resets the stream, the connection closes, or the exchange is disposed. */
  readonly signal: AbortSignal;
  /**
   * Resolves when the message is accepted by the transport (backpressure). `onSent` is told when the message's memory may be
   * used again; where that is not known, never.
   */
  send(message: Uint8Array, o: Waiting & { readonly onSent?: () => void }): Promise<void>;
  /**
   * From now on `memory` is asked where to put each message, in order, as soon as its length is known; undefined: anywhere.
   * What was put there is written no more once the message has been received; before, an exchange that breaks may still be
   * writing. Returns how many bytes of messages are elsewhere, since they have begun to come already.
   */
  putInto(memory: (lengthBytes: number) => Uint8Array | undefined): number;
  /** The next message; null when the peer has ended. */
  receive(o: Waiting): Promise<Uint8Array | null>;
  /** No more messages from this side; `last` is the last one, and goes out together with the end. */
  end(o: Waiting, last?: Uint8Array): Promise<void>;
}

/** Owner: mesh. Pooled, limited, checked against the protocol table. Errors: PEER_UNREACHABLE, STREAM_BROKEN. */
export interface PeerStreams {
  open(node: NodeId, protocol: PeerProtocol, o: Waiting): Promise<PeerStream>;
  /** Serves a protocol until disposed. The stream is disposed when the handler returns. */
  handle(protocol: PeerProtocol, handler: (stream: PeerStream) => Promise<void>): Disposable;
}

// ---- Files ------------------------------------------------------------------------------------------------------------

/** The models in this node's store. Owner: blobs. */
export interface LoadProgress {
  /** How much of it is done, from 0 to 1. */
  readonly onProgress: (fraction: number) => void;
}

export interface LocalModels {
  /** As of the last scan; no I/O. */
  list(): readonly ModelRecord[];
  /** What was added, replaced or removed, by us or by another program that shares the folder, from now on. */
  changes(o: Waiting): AsyncIterable<LocalReplicaChange>;
  /** Undefined when no manifest with this digest is here. */
  open(model: ManifestDigest, o: Waiting): Promise<ModelFiles | undefined>;
  /** What llama.cpp loads: the model's own files, or what is made of those that it cannot load. That may take minutes. */
  runnable(
    files: ModelFiles,
    o: Waiting & LoadProgress,
  ): Promise<Pick<ModelFiles, "modelPath" | "projectorPaths">>;
  describe(
    model: ManifestDigest,
    options: DescribeOptions,
    o: Waiting,
  ): Promise<ModelDescription | undefined>;
}

/** A blob that is being written: nobody sees it before `commit`, which checks its SHA-256, syncs and renames. */
export interface PartialBlob extends AsyncDisposable {
  write(bytes: Uint8Array, o: Waiting): Promise<void>;
  commit(o: Waiting): Promise<BlobDigest>;
}

export interface BlobStore {
  /** Undefined when it is not here. */
  stat(digest: BlobDigest): Promise<{ readonly sizeBytes: number } | undefined>;
  /** From `start` up to, not including, `end`. What comes is in memory that `memory` gives, else in the reader's own. */
  read(
    digest: BlobDigest,
    range: { readonly start: number; readonly end: number },
    o: Waiting & { readonly memory?: (sizeBytes: number) => Uint8Array },
  ): AsyncIterable<Uint8Array>;
  /** `expected` unset: whatever digest the bytes have. */
  create(o: Waiting & { readonly expected?: BlobDigest }): Promise<PartialBlob>;
}
