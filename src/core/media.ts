import { problemWithPicture } from "./picture.ts";
import { isWav, problemWithSound, soundHead } from "./sound.ts";

/** What a request may carry, of all its messages together; base64 of it still fits into one message between nodes. */
export const MEDIA_MAX = 32;
export const MEDIA_BYTES_MAX = 25 * 1_024 ** 2;

export type MediumKind = "picture" | "sound";

/** As long as the longest head by which a sound is known. */
const HEAD_CHARS = 64;

/** What base64 holds, from its first bytes; what nobody knows is taken for a picture. */
export function mediumKind(base64: string): MediumKind {
  const head = Buffer.from(base64.slice(0, HEAD_CHARS), "base64");
  return isWav(head) || soundHead(head) ? "sound" : "picture";
}

/** Why these cannot be shown to a model, as a sentence; undefined when they can. */
export function problemWithMedia(media: readonly string[]): string | undefined {
  if (media.length > MEDIA_MAX) {
    return `${media.length} images and sounds are too many: at most ${MEDIA_MAX} go into one request`;
  }
  const bytes = media.reduce((sum, base64) => sum + Buffer.byteLength(base64, "base64"), 0);
  if (bytes > MEDIA_BYTES_MAX) {
    const max = MEDIA_BYTES_MAX / 1_024 ** 2;
    return `the images and sounds are too large: all of a request together may have ${max} MiB, so make them smaller`;
  }
  return undefined;
}

/** Why this one cannot be, read from its own bytes. */
export function problemWithMedium(base64: string): string | undefined {
  const bytes = Buffer.from(base64, "base64");
  return mediumKind(base64) === "sound" ? problemWithSound(bytes) : problemWithPicture(bytes);
}
