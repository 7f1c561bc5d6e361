import { parseManifestDigest } from "../core/digest.ts";
import { InferenceError, isAborted, messageOf } from "../core/errors.ts";
import type { GenerateEvent } from "../core/inference.ts";
import type { Logger } from "../core/log.ts";
import type { Engine, LocalModels, PeerStream, PeerStreams, Waiting } from "../core/ports.ts";
import type { InferenceRequest } from "../gen/ollamamax/v1/inference_pb.ts";
import { batches } from "./batches.ts";
import { decodeRequest, encodeEvents, encodeReply, errorReply, json, parseBody } from "./wire.ts";
import { decodeKeepAlive, generateSchema, runnerSchema } from "./wire-schema.ts";

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
  request: InferenceRequest,
  { engine, models }: ServePeersDeps,
  { signal }: Waiting,
): AsyncIterable<Part> {
  const { requestId, call } = request;
  const model = parseManifestDigest(request.model);
  if (!model) throw new InferenceError("INVALID_REQUEST", "the peer sent no manifest digest");
  const deadlineMs = Number(request.deadlineMs);
  const o = {
    signal: deadlineMs > 0 ? AbortSignal.any([signal, AbortSignal.timeout(deadlineMs)]) : signal,
  };
  switch (call.case) {
    case "generate": {
      const body = parseBody(generateSchema, call.value.requestJson);
      const events = engine.generate({ requestId, model, ...body }, o);
      for await (const batch of batches(events, ridesWithText())) yield eventsPart(batch);
      return;
    }
    case "embed": {
      const { inputs, truncate } = call.value;
      const runner = parseBody(runnerSchema, call.value.runnerJson);
      const given = { ...(truncate === undefined ? {} : { truncate }), ...keepAliveOf(call.value) };
      const result = await engine.embed({ requestId, model, inputs, runner, ...given }, o);
      const { vectors, promptTokens, loadMs } = result;
      const value = {
        vectors: vectors.map((values) => ({ values: [...values] })),
        promptTokens,
        loadMs,
      };
      yield last({ reply: { case: "embeddings", value } });
      return;
    }
    case "load": {
      const runner = parseBody(runnerSchema, call.value.runnerJson);
      const value = await engine.load({ requestId, model, runner, ...keepAliveOf(call.value) }, o);
      yield last({ reply: { case: "loaded", value } });
      return;
    }
    case "unload":
      await engine.unload(model, o);
      yield last({ reply: { case: "unloaded", value: {} } });
      return;
    case "show": {
      const description = await models.describe(model, { verbose: call.value.verbose }, o);
      if (!description) throw new InferenceError("MODEL_NOT_HERE", `model ${model} is not here`);
      const descriptionJson = json(description);
      yield last({ reply: { case: "description", value: { descriptionJson } } });
      return;
    }
    case undefined:
      throw new InferenceError("UNSUPPORTED", "the peer asks for what this version cannot do");
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
  return { bytes: encodeEvents(events), isLast: events.at(-1)?.type === "end" };
}

function keepAliveOf({ keepAliveMs }: { readonly keepAliveMs?: number | undefined }) {
  return keepAliveMs === undefined ? {} : { keepAliveMs: decodeKeepAlive(keepAliveMs) };
}
