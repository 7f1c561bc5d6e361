import { AppError } from "../core/errors.ts";

/**
 * What can go wrong between the nodes that copy a model.
 *
 * - `NOT_HERE`: the peer has not got it, or not any more.
 * - `PEER_BUSY`: the peer serves as many as it may.
 * - `PEER_FAILED`: something broke at the peer.
 * - `PEER_STALLED`: nothing came from it for too long.
 * - `PEER_LIED`: what it sent breaks the protocol or is not what it should be.
 * - `NO_SOURCE`: nobody that can be asked has what is missing.
 * - `COPY_RUNNING`: this model is being copied here already.
 * - `NOT_WANTED`: it was deleted meanwhile.
 */
export class ReplicationError extends AppError<
  | "NOT_HERE"
  | "PEER_BUSY"
  | "PEER_FAILED"
  | "PEER_STALLED"
  | "PEER_LIED"
  | "NO_SOURCE"
  | "COPY_RUNNING"
  | "NOT_WANTED"
> {}
