import type { NodeId } from "../core/node-id.ts";
import type { PeerStreams, Waiting } from "../core/ports.ts";
import { decodeReply, encode, type Reply, type Request } from "./wire.ts";

/** One call over /ollamamax/manage/1. What the peer could not do is thrown as the error that it had. */
export async function* ask(
  streams: Pick<PeerStreams, "open">,
  node: NodeId,
  request: Request,
  o: Waiting,
): AsyncGenerator<Exclude<Reply, { reply: "error" }>> {
  await using stream = await streams.open(node, "manage", o);
  await stream.end(o, encode(request));
  for (;;) {
    const bytes = await stream.receive(o);
    if (bytes === null) return;
    yield decodeReply(bytes);
  }
}
