import { open } from "node:fs/promises";
import { formatBeginning } from "./convert/gguf-head.ts";
import { GgufError } from "./errors.ts";
import { alignUp, type Gguf, type Span } from "./gguf.ts";
import { type GgufFacts, ggufFacts } from "./gguf-facts.ts";
import { readFully } from "./read-fully.ts";

/** One file of a split model. */
export interface GgufSplit {
  readonly file: string;
  readonly gguf: Gguf;
}

/** What the one file of all parts is made of: its head, then each tensor's data from the part that has it. */
export interface MergedGguf {
  readonly facts: GgufFacts;
  readonly head: Uint8Array;
  readonly tensors: readonly {
    readonly file: string;
    readonly data: Span;
    /** Up to the next tensor's place: zeros. */
    readonly paddingBytes: number;
  }[];
  readonly sizeBytes: number;
}

type Parts = readonly [GgufSplit, ...GgufSplit[]];

/** llama.cpp's gguf-split names them so, and counts parts from 0 in them. */
const SPLIT_KEY = /^split\./;
const PLACE_BYTES = 8;

/**
 * Plans the file that `llama-gguf-split --merge` makes of the parts (llama.cpp, tools/gguf-split): the keys of the first one
 * without those of the split, and all tensors in the order of the parts, each at the next aligned place. Parts may come in
 * any order. Their errors name the part by `nameOf`.
 */
export async function planMerge(
  splits: readonly GgufSplit[],
  nameOf: (file: string) => string,
): Promise<MergedGguf> {
  const parts = inOrder(splits, nameOf);
  const [first] = parts;
  const { alignment, keys } = first.gguf.places;
  const kept = [...keys].filter(([key]) => !SPLIT_KEY.test(key)).map(([, span]) => span);
  const tensors: MergedGguf["tensors"][number][] = [];
  const entries: Buffer[] = [];
  const seen = new Set<string>();
  let offset = 0;
  for (const { file, gguf } of parts) {
    const { places } = gguf;
    const spans = gguf.tensors.map(({ name }) => places.entries.get(name) as Span);
    for (const [i, entry] of (await readSpans(file, spans)).entries()) {
      const { name = "", type } = gguf.tensors[i] ?? {};
      if (seen.has(name)) throw malformed(nameOf(file), `another part has its tensor ${name} too`);
      seen.add(name);
      const { start = 0, end } = places.data.get(name) ?? {};
      if (end === undefined) {
        throw malformed(nameOf(file), `its tensor ${name} is of a type not known here (${type})`);
      }
      const next = alignUp(offset + end - start, alignment);
      entry.writeBigUInt64LE(BigInt(offset), entry.length - PLACE_BYTES);
      entries.push(entry);
      tensors.push({ file, data: { start, end }, paddingBytes: next - offset - (end - start) });
      offset = next;
    }
  }
  const head = Buffer.concat([
    formatBeginning(tensors.length, kept.length, first.gguf.version),
    ...(await readSpans(first.file, kept)),
    ...entries,
  ]);
  const padding = Buffer.alloc(alignUp(head.length, alignment) - head.length);
  return {
    facts: factsOf(parts),
    head: Buffer.concat([head, padding]),
    tensors,
    sizeBytes: head.length + padding.length + offset,
  };
}

function inOrder(splits: readonly GgufSplit[], nameOf: (file: string) => string): Parts {
  const ordered = new Map<number, GgufSplit>();
  const [{ gguf, file }] = splits as Parts;
  const count = numberOf(gguf, "split.count");
  for (const split of splits) {
    const number = numberOf(split.gguf, "split.no");
    const other = ordered.get(number);
    if (other) {
      throw malformed(nameOf(split.file), `it is the same part as ${nameOf(other.file)}`);
    }
    if (numberOf(split.gguf, "split.count") !== count || number >= count) {
      throw malformed(nameOf(split.file), `it is no part of the model of ${nameOf(file)}`);
    }
    ordered.set(number, split);
  }
  if (splits.length !== count) {
    throw new GgufError(
      "SPLIT_INCOMPLETE",
      `${nameOf(file)} is one of ${count} parts of a model, and ${splits.length} of them came: all are needed.`,
    );
  }
  const parts = [...ordered]
    .sort(([a], [b]) => a - b)
    .map(([, split]) => split) as unknown as Parts;
  const tensors = parts.reduce((sum, { gguf }) => sum + gguf.tensors.length, 0);
  const promised = parts[0]?.gguf.metadata.get("split.tensors.count");
  if (promised !== undefined && promised !== tensors) {
    throw malformed(nameOf(file), `its parts promise ${promised} tensors and have ${tensors}`);
  }
  return parts;
}

function numberOf({ metadata }: Gguf, key: string): number {
  const value = metadata.get(key);
  return typeof value === "number" ? value : -1;
}

function factsOf(parts: Parts): GgufFacts {
  const [first] = parts;
  const parameterCount = parts.reduce((sum, { gguf }) => sum + gguf.parameterCount, 0);
  return { ...ggufFacts(first.gguf), parameterCount, splitCount: 1 };
}

/** In the order of the file. What lies between them is of the head too, whose size the parser has bounded. */
export async function readSpans(file: string, spans: readonly Span[]): Promise<Buffer[]> {
  const start = spans[0]?.start ?? 0;
  const bytes = Buffer.alloc((spans.at(-1)?.end ?? start) - start);
  await using handle = await open(file, "r");
  if ((await readFully(handle, bytes, start)) < bytes.length) {
    throw new GgufError("TRUNCATED", "it became shorter while it was read");
  }
  return spans.map((span) => bytes.subarray(span.start - start, span.end - start));
}

function malformed(name: string, reason: string): GgufError {
  return new GgufError("MALFORMED", `${name} is no usable GGUF file: ${reason}.`);
}
