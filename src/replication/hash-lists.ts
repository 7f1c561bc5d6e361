import { messageOf } from "../core/errors.ts";
import type { Logger } from "../core/log.ts";
import type { NodeId } from "../core/node-id.ts";
import { type BlobId, pieceCount } from "../core/pieces.ts";
import type { Waiting } from "../core/ports.ts";
import type { Source } from "./source.ts";

export interface HashList {
  readonly hashes: Uint8Array;
  /** Whoever sent it; nobody when it follows from the blob's own digest. */
  readonly givers: readonly NodeId[];
}

/** So many opinions are enough. */
const LISTS_MAX = 3;

/**
 * The lists of hashes that holders of the whole blob give: those on which more of them agree come first. None is proven before
 * the blob itself is.
 */
export async function hashLists(
  blob: BlobId,
  sources: readonly Source[],
  o: Waiting & { readonly log: Logger },
): Promise<readonly HashList[]> {
  if (pieceCount(blob.sizeBytes) === 1) {
    return [{ hashes: Buffer.from(blob.digest, "hex"), givers: [] }];
  }
  const lists = new Map<string, HashList>();
  let count = 0;
  const askNext = async (rest: IterableIterator<Source>): Promise<void> => {
    for (const { peer, node } of rest) {
      if (count >= LISTS_MAX) return;
      try {
        const hashes = await peer.hashes(blob, o);
        count++;
        const key = Buffer.from(hashes).toString("latin1");
        const givers = lists.get(key)?.givers ?? [];
        lists.set(key, { hashes, givers: [...givers, node] });
      } catch (error) {
        o.signal.throwIfAborted();
        o.log.debug({ peer: node, problem: messageOf(error) }, "a peer gave no hashes");
      }
    }
  };
  const rest = sources.values();
  await Promise.all(Array.from({ length: LISTS_MAX }, () => askNext(rest)));
  return [...lists.values()].sort((a, b) => b.givers.length - a.givers.length);
}
