import { open } from "node:fs/promises";
import type { Waiting } from "../../core/ports.ts";
import { BlobError } from "../errors.ts";
import { alignUp } from "../gguf.ts";
import type { GgufFacts } from "../gguf-facts.ts";
import type { GgufSource } from "../gguf-source.ts";
import { readFully } from "../read-fully.ts";
import { convertValues, interleaveHalves } from "./convert-values.ts";
import { GGUF_ALIGNMENT, tensorBytes } from "./gguf-head.ts";
import type { PlannedGguf, PlannedTensor } from "./plan-model.ts";
import type { StoredTensor } from "./safetensors.ts";

const BLOCK_BYTES = 1024 * 1024;

/** A checkpoint as the GGUF file that is made of it, a block at a time. */
export class ConvertedSource implements GgufSource {
  readonly #plan: PlannedGguf;

  constructor(plan: PlannedGguf) {
    this.#plan = plan;
  }

  get facts(): GgufFacts {
    return this.#plan.facts;
  }

  get sizeBytes(): number {
    return this.#plan.sizeBytes;
  }

  async *chunks(o: Waiting): AsyncIterable<Uint8Array> {
    yield this.#plan.head;
    for (const tensor of this.#plan.tensors) {
      const { values, stored } = tensor.source;
      if (values) yield Buffer.from(new Float32Array(values).buffer);
      for (const part of stored) yield* blocksOf(tensor, part, o);
      const sizeBytes = tensorBytes(tensor);
      const paddingBytes = alignUp(sizeBytes, GGUF_ALIGNMENT) - sizeBytes;
      if (paddingBytes > 0) yield Buffer.alloc(paddingBytes);
    }
  }
}

async function* blocksOf(
  { type, source: { heads, shift = 0 } }: PlannedTensor,
  { file, data, type: storedType, shape }: StoredTensor,
  { signal }: Waiting,
): AsyncIterable<Uint8Array> {
  await using handle = await open(file, "r");
  // The order of a head's rows can be changed only where all of them are there.
  const blockBytes = heads ? (data.end - data.start) / heads : BLOCK_BYTES;
  const headRows = heads && (shape[0] ?? 0) / heads;
  const block = new Uint8Array(Math.min(blockBytes, data.end - data.start));
  for (let position = data.start; position < data.end; position += block.length) {
    signal.throwIfAborted();
    const part = block.subarray(0, Math.min(block.length, data.end - position));
    if ((await readFully(handle, part, position)) < part.length) throw changed();
    const ordered = headRows ? interleaveHalves(part, headRows) : part;
    yield convertValues(ordered, storedType, type, shift);
  }
}

function changed(): BlobError {
  return new BlobError("FILE_CHANGED", "A file was changed while it was read: send it again.");
}
