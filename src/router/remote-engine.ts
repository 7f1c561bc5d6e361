import type { ManifestDigest } from "../core/digest.ts";
import type { InferenceError } from "../core/errors.ts";
import type {
  Embeddings,
  EmbedRequest,
  EngineStatus,
  GenerateEvent,
  GenerateRequest,
  LoadRequest,
  Tokens,
  TokensRequest,
} from "../core/inference.ts";
import type { DescribeOptions, ModelDescription } from "../core/model.ts";
import type { NodeId } from "../core/node-id.ts";
import type { NodeView } from "../core/node-view.ts";
import type { Engine, PeerStream, PeerStreams, Waiting } from "../core/ports.ts";
import {
  broken,
  decodeReply,
  decodeVector,
  encodeRequest,
  type Reply,
  type Request,
} from "./wire.ts";

export interface RemoteEngineDeps {
  readonly streams: PeerStreams;
  /** What the peer said last of itself. */
  readonly view: (node: NodeId) => NodeView | undefined;
}

const IDLE: EngineStatus = { slots: 0, running: 0, queued: 0, loaded: [] };
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
    await using stream = await this.#send({ call: "generate", ...request }, o);
    for (;;) {
      const reply = await this.#receive(stream, o);
      if (reply === undefined) {
        throw broken("the peer closed the stream before its answer was complete");
      }
      if (reply.reply !== "events") throw unexpected(reply);
      for (const event of reply.events) {
        // The stream's end travels with the answer's, and frees the stream for the next exchange: nobody reads on for it.
        const isLast = event.type === "end";
        if (isLast) await this.#receive(stream, o);
        yield event;
        if (isLast) return;
      }
    }
  }

  async load(request: LoadRequest, o: Waiting): Promise<{ readonly loadMs: number }> {
    const reply = await this.#ask({ call: "load", ...request }, o);
    if (reply.reply !== "loaded") throw unexpected(reply);
    return { loadMs: reply.loadMs };
  }

  async unload(model: ManifestDigest, o: Waiting): Promise<void> {
    const requestId = `unload-${++unloads}`;
    const reply = await this.#ask({ call: "unload", requestId, model }, o);
    if (reply.reply !== "unloaded") throw unexpected(reply);
  }

  async embed(request: EmbedRequest, o: Waiting): Promise<Embeddings> {
    const reply = await this.#ask({ call: "embed", ...request }, o);
    if (reply.reply !== "embeddings") throw unexpected(reply);
    const { vectors, promptTokens, loadMs } = reply;
    if (vectors.length !== request.inputs.length) {
      throw broken("the peer sent another number of vectors");
    }
    return { vectors: vectors.map(decodeVector), promptTokens, loadMs };
  }

  async tokens(request: TokensRequest, o: Waiting): Promise<Tokens> {
    const reply = await this.#ask({ call: "tokens", ...request }, o);
    if (reply.reply !== "tokens") throw unexpected(reply);
    const { tokens, text, loadMs } = reply;
    return { tokens, text, loadMs };
  }

  async show(
    model: ManifestDigest,
    options: DescribeOptions,
    o: Waiting,
  ): Promise<ModelDescription> {
    const reply = await this.#ask({ call: "show", requestId: "show", model, ...options }, o);
    if (reply.reply !== "description") throw unexpected(reply);
    return reply.description;
  }

  /** One request, one reply. */
  async #ask(request: Request, o: Waiting): Promise<Reply> {
    await using stream = await this.#send(request, o);
    const reply = await this.#receive(stream, o);
    if (reply === undefined) throw broken("the peer closed the stream without a reply");
    // Its end, which the peer has sent along, frees the stream for the next exchange.
    await this.#receive(stream, o);
    return reply;
  }

  async #send(request: Request, o: Waiting): Promise<PeerStream> {
    const stream = await this.#deps.streams.open(this.#node, "inference", o);
    try {
      await stream.end(o, encodeRequest(request));
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

function unexpected(reply: Reply): InferenceError {
  return broken(`the peer sent ${reply.reply} where it does not belong`);
}
