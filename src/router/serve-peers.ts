import { parseManifestDigest } from "../core/digest.ts";
import { InferenceError, isAborted, messageOf } from "../core/errors.ts";
import type { GenerateEvent } from "../core/inference.ts";
import type { Logger } from "../core/log.ts";
import type { Engine, LocalModels, PeerStream, PeerStreams, Waiting } from "../core/ports.ts";
import { batches, type Pace } from "./batches.ts";
import { decodeRequest, encodeReply, encodeVector, errorReply } from "./wire.ts";
import type { ReplyMessage, RequestMessage } from "./wire-schema.ts";

export interface ServePeersDeps {
  readonly streams: Pick<PeerStreams, "handle">;
  /** This node's own: a request that came from a peer is never forwarded again. */
  readonly engine: Engine;
  readonly models: Pick<LocalModels, "describe">;
  readonly log: Logger;
}

/** `last` ends the reply, before the engine tidies up: the caller waits for the end to use the stream again. */
type Tell = (reply: ReplyMessage, place: "more" | "last") => Promise<void>;

/** Answers peers' requests from this node's engine until disposed. The peer's reset stops the model. */
export function servePeers(deps: ServePeersDeps): Disposable {
  return deps.streams.handle("inference", (stream) => serve(stream, deps));
}

async function serve(stream: PeerStream, deps: ServePeersDeps): Promise<void> {
  const o = { signal: stream.signal };
  try {
    const bytes = await stream.receive(o);
    if (bytes === null) return;
    await answer(decodeRequest(bytes), deps, o, async (reply, place) => {
      const message = encodeReply(reply);
      await (place === "last" ? stream.end(o, message) : stream.send(message, o));
    });
    await stream.end(o);
    await stream.receive(o);
  } catch (error) {
    if (o.signal.aborted || isAborted(error)) return;
    deps.log.debug({ peer: stream.peer, problem: messageOf(error) }, "peer's request failed");
    // When the peer has gone there is nobody to tell.
    await stream.end(o, encodeReply(errorReply(error))).catch(() => {});
  }
}

async function answer(
  asked: RequestMessage,
  { engine, models }: ServePeersDeps,
  o: Waiting,
  tell: Tell,
): Promise<void> {
  const { requestId } = asked;
  const model = parseManifestDigest(asked.model);
  if (!model) throw new InferenceError("INVALID_REQUEST", "the peer sent no manifest digest");
  switch (asked.call) {
    case "generate": {
      const generated = engine.generate({ ...asked.request, requestId, model }, o);
      for await (const events of batches(generated, pace())) {
        const isLast = events.at(-1)?.type === "end";
        await tell({ reply: "events", events }, isLast ? "last" : "more");
      }
      return;
    }
    case "embed": {
      const { call: _call, ...request } = asked;
      const { vectors, ...rest } = await engine.embed({ ...request, model }, o);
      await tell({ reply: "embeddings", vectors: vectors.map(encodeVector), ...rest }, "last");
      return;
    }
    case "load": {
      const { call: _call, ...request } = asked;
      await tell({ reply: "loaded", ...(await engine.load({ ...request, model }, o)) }, "last");
      return;
    }
    case "tokens": {
      const { call: _call, ...request } = asked;
      await tell({ reply: "tokens", ...(await engine.tokens({ ...request, model }, o)) }, "last");
      return;
    }
    case "unload":
      await engine.unload(model, o);
      await tell({ reply: "unloaded" }, "last");
      return;
    case "show": {
      const { verbose, system, parameters } = asked;
      const options = {
        ...{ verbose, ...(system !== undefined && { system }) },
        ...(parameters !== undefined && { parameters }),
      };
      const description = await models.describe(model, options, o);
      if (!description) throw new InferenceError("MODEL_NOT_HERE", `model ${model} is not here`);
      await tell({ reply: "description", description: { ...description } }, "last");
      return;
    }
  }
}

/**
 * The caller does nothing with a start before the first text has come, and it expects that as soon as it has asked: so the
 * two share one message. After a wait in the queue the start goes by itself, because it ends the caller's patience for that.
 */
function pace(): (event: GenerateEvent) => Pace {
  let hasWaited = false;
  return ({ type }) => {
    hasWaited ||= type === "queued" || type === "loading";
    if (type === "end") return "last";
    return type === "started" && !hasWaited ? "with the next" : "together";
  };
}
