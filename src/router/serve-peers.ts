import { parseManifestDigest } from "../core/digest.ts";
import { InferenceError, isAborted, messageOf } from "../core/errors.ts";
import type { GenerateEvent } from "../core/inference.ts";
import type { Logger } from "../core/log.ts";
import type { Engine, LocalModels, PeerStream, PeerStreams, Waiting } from "../core/ports.ts";
import { batches } from "./batches.ts";
import { decodeRequest, encodeReply, encodeVector, errorReply } from "./wire.ts";

export interface ServePeersDeps {
  readonly streams: Pick<PeerStreams, "handle">;
  /** This node's own: a request that came from a peer is never forwarded again. */
  readonly engine: Engine;
  readonly models: Pick<LocalModels, "describe">;
  readonly log: Logger;
}

interface Part {
  readonly bytes: Uint8Array;
  readonly isLast: boolean;
}

/** Answers peers' requests from this node's engine until disposed. The peer's reset stops the model. */
export function servePeers(deps: ServePeersDeps): Disposable {
  return deps.streams.handle("inference", (stream) => serve(stream, deps));
}

async function serve(stream: PeerStream, deps: ServePeersDeps): Promise<void> {
  const o = { signal: stream.signal };
  try {
    const bytes = await stream.receive(o);
    if (bytes === null) return;
    for await (const { bytes: reply, isLast } of answer(decodeRequest(bytes), deps, o)) {
      await stream.send(reply, o);
      // Before the engine tidies up, so that both travel together: the caller waits for the end to use the stream again.
      if (isLast) await stream.end(o);
    }
    await stream.end(o);
    await stream.receive(o);
  } catch (error) {
    if (o.signal.aborted || isAborted(error)) return;
    deps.log.debug({ peer: stream.peer, problem: messageOf(error) }, "peer's request failed");
    await stream.send(encodeReply(errorReply(error)), o).then(
      () => stream.end(o),
      () => {}, // The peer has gone: there is nobody to tell.
    );
  }
}

async function* answer(
  asked: ReturnType<typeof decodeRequest>,
  { engine, models }: ServePeersDeps,
  o: Waiting,
): AsyncIterable<Part> {
  const { requestId } = asked;
  const model = parseManifestDigest(asked.model);
  if (!model) throw new InferenceError("INVALID_REQUEST", "the peer sent no manifest digest");
  switch (asked.call) {
    case "generate": {
      const events = engine.generate({ ...asked.request, requestId, model }, o);
      for await (const batch of batches(events, ridesWithText())) yield eventsPart(batch);
      return;
    }
    case "embed": {
      const { call: _call, ...request } = asked;
      const { vectors, ...rest } = await engine.embed({ ...request, model }, o);
      yield last({ reply: "embeddings", vectors: vectors.map(encodeVector), ...rest });
      return;
    }
    case "load": {
      const { call: _call, ...request } = asked;
      yield last({ reply: "loaded", ...(await engine.load({ ...request, model }, o)) });
      return;
    }
    case "unload":
      await engine.unload(model, o);
      yield last({ reply: "unloaded" });
      return;
    case "show": {
      const description = await models.describe(model, { verbose: asked.verbose }, o);
      if (!description) throw new InferenceError("MODEL_NOT_HERE", `model ${model} is not here`);
      yield last({ reply: "description", description: { ...description } });
      return;
    }
  }
}

/**
 * The caller does nothing with a start before the first text has come, and it expects that as soon as it has asked: so the
 * two share one message. After a wait in the queue the start goes by itself, because it ends the caller's patience for that.
 */
function ridesWithText(): (event: GenerateEvent) => boolean {
  let hasWaited = false;
  return ({ type }) => {
    hasWaited ||= type === "queued" || type === "loading";
    return type === "started" && !hasWaited;
  };
}

function last(message: Parameters<typeof encodeReply>[0]): Part {
  return { bytes: encodeReply(message), isLast: true };
}

function eventsPart(events: readonly GenerateEvent[]): Part {
  return { bytes: encodeReply({ reply: "events", events }), isLast: events.at(-1)?.type === "end" };
}
