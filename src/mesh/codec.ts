import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { messageOf } from "../core/errors.ts";
import { MeshError } from "./errors.ts";

export interface Codec<D extends DescMessage> {
  encode(value: MessageInitShape<D>): Uint8Array;
  /** Throws RECORD_INVALID. */
  decode(bytes: Uint8Array): MessageShape<D>;
}

/** A protobuf schema as a pair of functions. */
export function codec<D extends DescMessage>(schema: D): Codec<D> {
  return {
    encode: (value) => toBinary(schema, create(schema, value)),
    decode: (bytes) => {
      try {
        // What a newer version adds is dropped: nothing that we do not understand is passed on.
        return fromBinary(schema, bytes, { readUnknownFields: false });
      } catch (cause) {
        throw invalid(messageOf(cause), cause);
      }
    },
  };
}

export function invalid(reason: string, cause?: unknown): MeshError {
  return new MeshError("RECORD_INVALID", `a peer sent an invalid record: ${reason}`, { cause });
}
