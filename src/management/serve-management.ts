import type { Distribution } from "../core/distribution.ts";
import type { NodeDrain } from "../core/drain.ts";
import { isAborted, messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import type { ModelKeeper, Progress } from "../core/management.ts";
import type { PeerStream, PeerStreams, Waiting } from "../core/ports.ts";
import type { TransferView } from "../core/transfers.ts";
import { performDrain } from "./cluster-drains.ts";
import { decodeRequest, encode, errorReply, type Reply, type Request } from "./wire.ts";

export interface ServeManagementDeps {
  readonly streams: Pick<PeerStreams, "handle">;
  /** This node's own: what a peer asks is never passed on. */
  readonly keeper: ModelKeeper;
  readonly distribution: Distribution;
  readonly drain: NodeDrain;
  /** What is being copied to here. */
  readonly transfers: () => readonly TransferView[];
  readonly log: Logger;
}

/** Does to this node and its models what peers ask, until disposed. Who has joined may ask: clients' keys are checked where they call. */
export function serveManagement(deps: ServeManagementDeps): Disposable {
  return deps.streams.handle("manage", (stream) => serve(stream, deps));
}

async function serve(stream: PeerStream, deps: ServeManagementDeps): Promise<void> {
  const { log } = deps;
  const o = { signal: stream.signal };
  try {
    const bytes = await stream.receive(o);
    if (bytes === null) return;
    const request = decodeRequest(bytes);
    const reply = await perform(request, deps, stream, o);
    const level = request.call === "transfers" ? "debug" : "info";
    log[level]({ peer: stream.peer, call: request.call }, "done for a peer");
    await stream.end(o, encode(reply));
    await stream.receive(o);
  } catch (error) {
    if (o.signal.aborted || isAborted(error)) return;
    log.warn({ peer: stream.peer, problem: messageOf(error) }, "a peer's call failed");
    // When the peer has gone there is nobody to tell.
    await stream.end(o, encode(errorReply(error))).catch(() => {});
  }
}

async function perform(
  request: Request,
  { keeper, distribution, drain, transfers }: ServeManagementDeps,
  stream: PeerStream,
  o: Waiting,
): Promise<Reply> {
  switch (request.call) {
    case "copy":
      return done(await keeper.copy(request.source, request.destination, o));
    case "remove":
      return done(await keeper.remove(request.name, o));
    case "transfers":
      return { reply: "transfers", transfers: [...transfers()] };
    case "drain":
      return { reply: "drain", state: await performDrain(drain, request, o) };
    case "create":
      return tell(keeper.create(request.request, o), stream, o);
    case "pull":
    case "push":
      return tell(distribution[request.call](request.request, o), stream, o);
  }
}

async function tell(
  lines: AsyncIterable<Progress>,
  stream: PeerStream,
  o: Waiting,
): Promise<Reply> {
  for await (const progress of lines) await stream.send(encode({ reply: "progress", progress }), o);
  return done(true);
}

function done(found: boolean): Reply {
  return { reply: "done", found };
}
