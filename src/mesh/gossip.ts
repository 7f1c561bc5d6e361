import { type Message, TopicValidatorResult } from "@libp2p/gossipsub";
import { messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import { type NodeId, parseNodeId } from "../core/node-id.ts";
import type { MeshLibp2p } from "./libp2p.ts";
import { RECORD_BYTES_MAX } from "./limits.ts";
import { decodeGossip, encodeGossip, type GossipRecord } from "./membership-records.ts";
import {
  type AnnouncementRecord,
  decodeAnnouncement,
  encodeAnnouncement,
} from "./replica-records.ts";

/** What is gossiped, and nothing else: never a file list, never a log. */
interface Records {
  readonly heartbeats: GossipRecord;
  readonly replicas: AnnouncementRecord;
}
type Topic = keyof Records;

type Table = {
  readonly [T in Topic]: {
    readonly topic: string;
    readonly encode: (record: Records[T]) => Uint8Array;
    /** Throws for what must not be passed on. */
    readonly decode: (bytes: Uint8Array, author: NodeId) => Records[T];
  };
};

const TABLE: Table = {
  heartbeats: {
    topic: "/ollamamax/heartbeats/1",
    encode: encodeGossip,
    decode: decodeGossip,
  },
  replicas: {
    topic: "/ollamamax/replicas/1",
    encode: encodeAnnouncement,
    decode: decodeAnnouncement,
  },
};

export const TOPICS: readonly string[] = [TABLE.heartbeats.topic, TABLE.replicas.topic];

export interface GossipDeps {
  readonly pubsub: MeshLibp2p["services"]["pubsub"];
  readonly log: Logger;
  readonly isDenied: (node: NodeId) => boolean;
  readonly handlers: { readonly [T in Topic]: (record: Records[T], author: NodeId) => void };
}

/** The two topics: what comes in is checked, taken, and only then passed on. */
export class Gossip {
  readonly #deps: GossipDeps;

  private constructor(deps: GossipDeps) {
    this.#deps = deps;
  }

  static open(deps: GossipDeps): Gossip {
    const gossip = new Gossip(deps);
    gossip.#subscribe("heartbeats");
    gossip.#subscribe("replicas");
    return gossip;
  }

  /** Resolves once the record is on its way to every peer that we are connected to. */
  async publish<T extends Topic>(topic: T, record: Records[T]): Promise<void> {
    const { topic: name, encode } = TABLE[topic];
    await this.#deps.pubsub.publish(name, encode(record));
  }

  #subscribe<T extends Topic>(topic: T): void {
    const { topic: name, decode } = TABLE[topic];
    // gossipsub verifies the signature, drops duplicates, and only then asks here: each record comes once.
    this.#deps.pubsub.topicValidators.set(name, (peer, message) => {
      const author = authorOf(message);
      if (!author || this.#deps.isDenied(author) || message.data.length > RECORD_BYTES_MAX) {
        return TopicValidatorResult.Reject;
      }
      let record: Records[T];
      try {
        record = decode(message.data, author);
      } catch (error) {
        const fields = { author, from: peer.toString(), error: messageOf(error) };
        this.#deps.log.debug(fields, "a record from a peer was refused");
        return TopicValidatorResult.Reject;
      }
      this.#deps.handlers[topic](record, author);
      return TopicValidatorResult.Accept;
    });
    this.#deps.pubsub.subscribe(name);
  }
}

function authorOf(message: Message): NodeId | undefined {
  return message.type === "signed" ? parseNodeId(message.from.toString()) : undefined;
}
