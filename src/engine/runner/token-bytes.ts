const REPLACEMENT = "\uFFFD";
const BYTE_TOKEN = /^<0x([0-9A-F]{2})>$/i;

/** A token as its vocabulary has it. */
export interface VocabularyEntry {
  readonly piece: string;
  /** `tokenizer.ggml.model`. */
  readonly tokenizer: string | undefined;
}

/** The bytes of a token, which may be a part of a character: then its text alone does not tell them. */
export function tokenBytes(text: string, { piece, tokenizer }: VocabularyEntry): readonly number[] {
  if (!text.includes(REPLACEMENT)) return [...Buffer.from(text)];
  const byte = BYTE_TOKEN.exec(piece)?.[1];
  if (byte !== undefined) return [Number.parseInt(byte, 16)];
  const bytes = tokenizer === "gpt2" ? [...piece].map((char) => BYTES.get(char)) : [];
  const known = bytes.filter((value) => value !== undefined);
  return known.length > 0 && known.length === bytes.length ? known : [...Buffer.from(text)];
}

/**
 * The characters that byte-level BPE writes bytes with (GPT-2's bytes_to_unicode): printable ones as they are, the others, in
 * order, as those from U+0100 on.
 */
const BYTES: ReadonlyMap<string, number> = byteCharacters();

function byteCharacters(): Map<string, number> {
  const isPrintable = (byte: number): boolean =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte !== 0xad);
  let next = 0x100;
  return new Map(
    Array.from({ length: 256 }, (_, byte) => [
      String.fromCharCode(isPrintable(byte) ? byte : next++),
      byte,
    ]),
  );
}
