import { z } from "zod";
import type { ManifestDigest } from "../core/digest.ts";
import type { InferenceError } from "../core/errors.ts";
import type {
  Embeddings,
  EmbedRequest,
  EngineStatus,
  GenerateEvent,
  GenerateRequest,
  LoadRequest,
} from "../core/inference.ts";
import type { ModelDescription } from "../core/model.ts";
import type { NodeId } from "../core/node-id.ts";
import type { NodeView } from "../core/node-view.ts";
import type { Engine, PeerStream, PeerStreams, Waiting } from "../core/ports.ts";
import { broken, decodeEvents, decodeReply, encodeRequest, json, parseBody } from "./wire.ts";
import { encodeGenerateBody, encodeKeepAlive } from "./wire-schema.ts";

export interface RemoteEngineDeps {
  readonly streams: PeerStreams;
  /** What the peer said last of itself. */
  readonly view: (node: NodeId) => NodeView | undefined;
}

type RequestMessage = Parameters<typeof encodeRequest>[0];
type Reply = ReturnType<typeof decodeReply>;

const IDLE: EngineStatus = { slots: 0, running: 0, queued: 0, loaded: [] };
const descriptionSchema = z.record(z.string(), z.unknown());
let unloads = 0;

/** A peer as an engine. Its transport's failures are PEER_UNREACHABLE and STREAM_BROKEN; the rest are the peer's own. */
export class RemoteEngine implements Engine {
  readonly #node: NodeId;
  readonly #deps: RemoteEngineDeps;

  constructor(node: NodeId, deps: RemoteEngineDeps) {
    this.#node = node;
    this.#deps = deps;
  }

  status(): EngineStatus {
    const view = this.#deps.view(this.#node);
    return view ? { ...view.load, loaded: view.loaded } : IDLE;
  }

  /** Leaving the iteration resets the stream, which stops the peer's model. */
  async *generate(request: GenerateRequest, o: Waiting): AsyncIterable<GenerateEvent> {
    const { requestId, model } = request;
    const requestJson = encodeGenerateBody(request);
    const call = { case: "generate", value: { requestJson } } as const;
    await using stream = await this.#send({ requestId, model, call }, o);
    for (;;) {
      const reply = await this.#receive(stream, o);
      if (reply === undefined) {
        throw broken("the peer closed the stream before its answer was complete");
      }
      if (reply.case !== "eventsJson") throw unexpected(reply);
      for (const event of decodeEvents(reply.value)) {
        // The stream's end travels with the answer's, and frees the stream for the next exchange: nobody reads on for it.
        const isLast = event.type === "end";
        if (isLast) await this.#receive(stream, o);
        yield event;
        if (isLast) return;
      }
    }
  }

  async load(request: LoadRequest, o: Waiting): Promise<{ readonly loadMs: number }> {
    const { requestId, model, runner } = request;
    const value = { runnerJson: json(runner), ...keepAliveOf(request) };
    const reply = await this.#ask({ requestId, model, call: { case: "load", value } }, o);
    if (reply.case !== "loaded") throw unexpected(reply);
    return { loadMs: reply.value.loadMs };
  }

  async unload(model: ManifestDigest, o: Waiting): Promise<void> {
    const requestId = `unload-${++unloads}`;
    const reply = await this.#ask({ requestId, model, call: { case: "unload", value: {} } }, o);
    if (reply.case !== "unloaded") throw unexpected(reply);
  }

  async embed(request: EmbedRequest, o: Waiting): Promise<Embeddings> {
    const { requestId, model, inputs, runner, truncate } = request;
    const value = {
      inputs: [...inputs],
      runnerJson: json(runner),
      ...(truncate === undefined ? {} : { truncate }),
      ...keepAliveOf(request),
    };
    const reply = await this.#ask({ requestId, model, call: { case: "embed", value } }, o);
    if (reply.case !== "embeddings") throw unexpected(reply);
    const { vectors, promptTokens, loadMs } = reply.value;
    if (vectors.length !== inputs.length) throw broken("the peer sent another number of vectors");
    return { vectors: vectors.map(({ values }) => values), promptTokens, loadMs };
  }

  async show(
    model: ManifestDigest,
    { verbose }: { readonly verbose: boolean },
    o: Waiting,
  ): Promise<ModelDescription> {
    const call = { case: "show", value: { verbose } } as const;
    const reply = await this.#ask({ requestId: "show", model, call }, o);
    if (reply.case !== "description") throw unexpected(reply);
    return parseBody(descriptionSchema, reply.value.descriptionJson);
  }

  /** One request, one reply. */
  async #ask(message: RequestMessage, o: Waiting): Promise<Reply> {
    await using stream = await this.#send(message, o);
    const reply = await this.#receive(stream, o);
    if (reply === undefined) throw broken("the peer closed the stream without a reply");
    // Its end, which the peer has sent along, frees the stream for the next exchange.
    await this.#receive(stream, o);
    return reply;
  }

  async #send(message: RequestMessage, o: Waiting): Promise<PeerStream> {
    const stream = await this.#deps.streams.open(this.#node, "inference", o);
    try {
      await stream.send(encodeRequest(message), o);
      await stream.end(o);
      return stream;
    } catch (error) {
      await stream[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #receive(stream: PeerStream, o: Waiting): Promise<Reply | undefined> {
    const bytes = await stream.receive(o);
    return bytes === null ? undefined : decodeReply(bytes);
  }
}

function keepAliveOf({ keepAliveMs }: { readonly keepAliveMs?: number }) {
  return keepAliveMs === undefined ? {} : { keepAliveMs: encodeKeepAlive(keepAliveMs) };
}

function unexpected(reply: Reply): InferenceError {
  return broken(`the peer sent ${reply.case ?? "an empty reply"} where it does not belong`);
}
