import fc from "fast-check";
import t from "tap";
import { END, END_FRAME, encodeFrame, type Frame, FrameReader } from "./frames.ts";

function bytesOf(frames: readonly Frame[]): Buffer {
  return Buffer.concat(
    frames.flatMap((frame, index) => {
      if (frame !== END) return encodeFrame(frame, { end: frames[index + 1] === END });
      const wasJoined = index > 0 && frames[index - 1] !== END;
      return wasJoined ? [] : [END_FRAME];
    }),
  );
}

const plain = (frame: Frame): string =>
  frame === END ? "end" : Buffer.from(frame).toString("base64");

/** What comes is told in memory that is used again at once, or put where the reader wants it. */
function feed(reader: FrameReader, bytes: Uint8Array, direct: boolean): Frame[] {
  const read: Frame[] = [];
  const room = direct ? reader.room : undefined;
  if (!room) {
    const scratch = Buffer.from(bytes);
    reader.push(scratch, (frame) => read.push(frame));
    scratch.fill(0xaa);
    return read;
  }
  const part = bytes.subarray(0, room.length);
  room.set(part);
  reader.filled(part.length, (frame) => read.push(frame));
  const rest = bytes.subarray(part.length);
  return rest.length > 0 ? [...read, ...feed(reader, rest, direct)] : read;
}

const messages = fc.uint8Array({ maxLength: 80_000, size: "max" });
const anyFrames = fc.array(fc.oneof(messages, fc.constant(END)), { maxLength: 6 });

t.test("what is written comes out, however the bytes are cut and wherever they are put", (t) => {
  const cut = fc.record({ bytes: fc.integer({ min: 1, max: 30_000 }), direct: fc.boolean() });
  fc.assert(
    fc.property(
      anyFrames,
      fc.array(cut, { minLength: 1 }),
      fc.array(fc.boolean(), { minLength: 1 }),
      (frames, cuts, gives) => {
        const bytes = bytesOf(frames);
        const given = new Set<ArrayBufferLike>();
        let asked = 0;
        const reader = new FrameReader(100_000, (length) => {
          if (!gives[asked++ % gives.length]) return undefined;
          const memory = new Uint8Array(new SharedArrayBuffer(length));
          given.add(memory.buffer);
          return memory;
        });
        const read: Frame[] = [];
        for (let offset = 0, i = 0; offset < bytes.length; i++) {
          const { bytes: length, direct } = cuts[i % cuts.length] ?? { bytes: 1, direct: false };
          read.push(...feed(reader, bytes.subarray(offset, offset + length), direct));
          offset += length;
        }
        const isGiven = (frame: Frame): boolean => frame !== END && given.has(frame.buffer);
        return (
          JSON.stringify(read.map(plain)) === JSON.stringify(frames.map(plain)) &&
          read.filter(isGiven).length === given.size
        );
      },
    ),
    { numRuns: 100 },
  );
  t.end();
});

t.test("each place between two bytes may be a cut", (t) => {
  const frames: Frame[] = [
    Buffer.from("one"),
    END,
    Buffer.alloc(0),
    Buffer.from("and two"),
    END,
    END,
  ];
  const bytes = bytesOf(frames);
  for (const direct of [false, true]) {
    for (let first = 0; first <= bytes.length; first++) {
      for (let second = first; second <= bytes.length; second++) {
        const reader = new FrameReader(100);
        const parts = [
          bytes.subarray(0, first),
          bytes.subarray(first, second),
          bytes.subarray(second),
        ];
        const read = parts.flatMap((part) => feed(reader, part, direct));
        if (read.map(plain).join() !== frames.map(plain).join()) t.fail(`${first}, ${second}`);
      }
    }
  }
  t.end();
});

t.test("a message over the limit is refused by its header", async (t) => {
  const [header] = encodeFrame(new Uint8Array(50_000), { end: false });
  t.throws(() => new FrameReader(49_999).push(header ?? new Uint8Array(), () => {}), RangeError);
});
