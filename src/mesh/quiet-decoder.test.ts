import type { MessageStream } from "@libp2p/interface";
import t from "tap";
import { quietDecoder } from "./quiet-decoder.ts";

const bytes = (...values: number[]) => ({
  byteLength: values.length,
  get: (index: number) => values[index] ?? 0,
});

t.test(
  "reads two bytes, the high one first, and throws one and the same error until they are here",
  (t) => {
    const decoder = { lengthDecoder: (_bytes: ReturnType<typeof bytes>): number => -1 };
    quietDecoder({ decoder } as unknown as MessageStream);
    t.equal(decoder.lengthDecoder(bytes(1, 2)), 258);
    t.equal(decoder.lengthDecoder(bytes(255, 255, 9)), 65_535);
    const thrown = [bytes(), bytes(1)].map((short) => {
      try {
        return decoder.lengthDecoder(short);
      } catch (error) {
        return error;
      }
    });
    t.ok(thrown[0] instanceof RangeError);
    t.equal(thrown[0], thrown[1]);
    t.end();
  },
);

t.test("leaves alone what has no such part", (t) => {
  t.doesNotThrow(() => quietDecoder({} as MessageStream));
  t.doesNotThrow(() => quietDecoder({ decoder: null } as unknown as MessageStream));
  t.end();
});
