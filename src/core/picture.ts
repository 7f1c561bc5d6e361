/** A picture is unpacked before it is made small: 64 million pixels are 192 MB. */
export const PICTURE_PIXELS_MAX = 64_000_000;

export interface PictureHead {
  readonly format: "png" | "jpeg" | "gif" | "bmp" | "webp";
  readonly width: number;
  readonly height: number;
}

/**
 * What the head of a file says of the picture in it; undefined when it is none that can be read. It is looked at before
 * llama.cpp or libwebp sees it: they would unpack whatever the head promises, and llama.cpp takes anything unknown for sound or a film.
 */
export function pictureHead(bytes: Buffer): PictureHead | undefined {
  return pngHead(bytes) ?? jpegHead(bytes) ?? gifHead(bytes) ?? bmpHead(bytes) ?? webpHead(bytes);
}

const PNG_START = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** PNG (third edition) §5.2 and §11.2.1: IHDR comes first. */
function pngHead(bytes: Buffer): PictureHead | undefined {
  if (bytes.length < 24 || !bytes.subarray(0, 8).equals(PNG_START)) return undefined;
  if (bytes.toString("latin1", 12, 16) !== "IHDR") return undefined;
  return { format: "png", width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) };
}

/** GIF89a §18. */
function gifHead(bytes: Buffer): PictureHead | undefined {
  if (bytes.length < 10 || !/^GIF8[79]a$/.test(bytes.toString("latin1", 0, 6))) return undefined;
  return { format: "gif", width: bytes.readUInt16LE(6), height: bytes.readUInt16LE(8) };
}

/** BITMAPINFOHEADER and its longer successors; a negative height counts from the top. */
function bmpHead(bytes: Buffer): PictureHead | undefined {
  if (bytes.length < 26 || bytes.toString("latin1", 0, 2) !== "BM") return undefined;
  if (bytes.readUInt32LE(14) < 40) return undefined;
  const height = Math.abs(bytes.readInt32LE(22));
  return { format: "bmp", width: Math.abs(bytes.readInt32LE(18)), height };
}

/** RFC 9649: the first chunk is the frame, lossy (RFC 6386 §9.1) or lossless, or says how large the canvas is. */
function webpHead(bytes: Buffer): PictureHead | undefined {
  if (bytes.length < 30 || bytes.toString("latin1", 0, 4) !== "RIFF") return undefined;
  switch (bytes.toString("latin1", 8, 16)) {
    case "WEBPVP8 ": {
      if (bytes.readUIntBE(23, 3) !== 0x9d012a) return undefined;
      const size = (at: number): number => bytes.readUInt16LE(at) & 0x3fff;
      return { format: "webp", width: size(26), height: size(28) };
    }
    case "WEBPVP8L": {
      if (bytes[20] !== 0x2f) return undefined;
      const bits = bytes.readUInt32LE(21);
      return { format: "webp", width: (bits & 0x3fff) + 1, height: ((bits >> 14) & 0x3fff) + 1 };
    }
    case "WEBPVP8X":
      return {
        format: "webp",
        width: bytes.readUIntLE(24, 3) + 1,
        height: bytes.readUIntLE(27, 3) + 1,
      };
    default:
      return undefined;
  }
}

/** ITU T.81 annex B: segments up to the first frame header, which has the size. */
function jpegHead(bytes: Buffer): PictureHead | undefined {
  if (bytes.length < 4 || bytes.readUInt16BE(0) !== 0xffd8) return undefined;
  for (let at = 2; at + 9 <= bytes.length; ) {
    if (bytes[at] !== 0xff) return undefined;
    const marker = bytes[at + 1] ?? 0;
    if (marker === 0xff) {
      at++;
      continue;
    }
    if (isFrame(marker)) {
      return {
        format: "jpeg",
        height: bytes.readUInt16BE(at + 5),
        width: bytes.readUInt16BE(at + 7),
      };
    }
    at += 2 + bytes.readUInt16BE(at + 2);
  }
  return undefined;
}

/** SOF0 to SOF15 without DHT, JPG and DAC, which stand among them. */
function isFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
}

/** Why this one cannot be seen, as a sentence; undefined when it can. */
export function problemWithPicture(bytes: Buffer): string | undefined {
  const head = pictureHead(bytes);
  if (!head) return "an image is in no format that can be read: send PNG, JPEG, WebP, GIF or BMP";
  const { width, height } = head;
  if (width === 0 || height === 0) return "an image has no pixels";
  if (width * height > PICTURE_PIXELS_MAX) {
    return `an image of ${width} × ${height} pixels is too large: at most ${PICTURE_PIXELS_MAX} pixels can be read`;
  }
  return undefined;
}
