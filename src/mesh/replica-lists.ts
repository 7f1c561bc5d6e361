import type { NodeId } from "../core/node-id.ts";
import type { LocalReplicaChange, PeerStream, PeerStreams, Waiting } from "../core/ports.ts";
import { ReplicaListPageSchema, ReplicaListRequestSchema } from "../gen/ollamamax/v1/mesh_pb.ts";
import { codec, invalid } from "./codec.ts";
import { RECORD_BYTES_MAX } from "./limits.ts";
import { PROTOCOL_POLICIES } from "./protocol-policy.ts";
import { fromReplicaMessage, toReplicaMessage } from "./replica-records.ts";

/** Everything that one node holds, as of one version of its list. */
export interface ReplicaList {
  readonly version: bigint;
  readonly replicas: readonly LocalReplicaChange[];
}

const REPLICAS_PER_NODE_MAX = 10_000;
/** Whole records, so that a page stays below its protocol's limit whatever they say. */
const PAGE_RECORDS_MAX =
  Math.floor(PROTOCOL_POLICIES.replicas.messageBytesMax / RECORD_BYTES_MAX) - 1;

const request = codec(ReplicaListRequestSchema);
const pages = codec(ReplicaListPageSchema);

/** Anti-entropy: a node's whole list, for those who have missed an announcement. */
export function serveReplicaList(streams: PeerStreams, list: () => ReplicaList): Disposable {
  return streams.handle("replicas", async (stream) => {
    const o = { signal: stream.signal };
    const message = await stream.receive(o);
    if (!message) return;
    request.decode(message);
    for (const page of pagesOf(list())) await stream.send(page, o);
    await stream.end(o);
  });
}

export async function fetchReplicaList(
  streams: PeerStreams,
  node: NodeId,
  o: Waiting,
): Promise<ReplicaList> {
  await using stream = await streams.open(node, "replicas", o);
  await stream.end(o, request.encode({}));
  return await readPages(stream, o);
}

function* pagesOf({ version, replicas }: ReplicaList): Generator<Uint8Array> {
  const replicasTotal = replicas.length;
  for (let start = 0; start === 0 || start < replicasTotal; start += PAGE_RECORDS_MAX) {
    const messages = replicas
      .slice(start, start + PAGE_RECORDS_MAX)
      .map((change) => toReplicaMessage(change));
    yield pages.encode({ version, replicas: messages, replicasTotal });
  }
}

async function readPages(stream: PeerStream, o: Waiting): Promise<ReplicaList> {
  const replicas: LocalReplicaChange[] = [];
  let version: bigint | undefined;
  let total = 0;
  for (;;) {
    const message = await stream.receive(o);
    if (!message) break;
    const page = pages.decode(message);
    if (version !== undefined && page.version !== version) throw invalid("pages of two versions");
    version = page.version;
    total = page.replicasTotal;
    if (total > REPLICAS_PER_NODE_MAX) throw invalid(`a list of ${total} replicas`);
    for (const replica of page.replicas) replicas.push(fromReplicaMessage(replica));
    if (replicas.length > total) throw invalid("more replicas than the list has");
  }
  if (version === undefined || replicas.length !== total) throw invalid("a list cut short");
  return { version, replicas };
}
