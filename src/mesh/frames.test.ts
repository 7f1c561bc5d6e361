import fc from "fast-check";
import t from "tap";
import { END, END_FRAME, encodeFrame, type Frame, FrameReader } from "./frames.ts";

t.test("what is written comes out, however the bytes are cut", async (t) => {
  const message = fc.uint8Array({ maxLength: 80_000, size: "max" });
  const frames = fc.array(fc.oneof(message, fc.constant(END)), { maxLength: 6 });
  fc.assert(
    fc.property(
      frames,
      fc.array(fc.integer({ min: 1, max: 30_000 }), { minLength: 1 }),
      (frames, cuts) => {
        const bytes = Buffer.concat(
          frames.flatMap((frame, index) => {
            if (frame !== END) return encodeFrame(frame, { end: frames[index + 1] === END });
            const wasJoined = index > 0 && frames[index - 1] !== END;
            return wasJoined ? [] : [END_FRAME];
          }),
        );
        const reader = new FrameReader(100_000);
        const read: Frame[] = [];
        for (let offset = 0, i = 0; offset < bytes.length; i++) {
          const end = offset + (cuts[i % cuts.length] ?? 1);
          reader.push(bytes.subarray(offset, end), (frame) => read.push(frame));
          offset = end;
        }
        const plain = (frame: Frame) =>
          frame === END ? "end" : Buffer.from(frame).toString("base64");
        return JSON.stringify(read.map(plain)) === JSON.stringify(frames.map(plain));
      },
    ),
    { numRuns: 50 },
  );
  t.pass();
});

t.test("a message over the limit is refused by its header", async (t) => {
  const [header] = encodeFrame(new Uint8Array(50_000), { end: false });
  t.throws(() => new FrameReader(49_999).push(header ?? new Uint8Array(), () => {}), RangeError);
});
