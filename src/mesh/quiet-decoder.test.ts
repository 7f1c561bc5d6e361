import type { MessageStream } from "@libp2p/interface";
import { LengthPrefixedDecoder } from "@libp2p/utils";
import fc from "fast-check";
import t from "tap";
import { quietDecoder } from "./quiet-decoder.ts";

/** Noise's own length decoder, which throws until the length is here. */
const lengthDecoder = (bytes: { readonly byteLength: number; subarray(): Uint8Array }): number => {
  if (bytes.byteLength < 2) throw new RangeError("too short");
  const [high = 0, low = 0] = bytes.subarray();
  return high * 256 + low;
};

function decoders(maxBufferSize = 1_024) {
  const make = () =>
    new LengthPrefixedDecoder({ maxBufferSize, encodingLength: () => 2, lengthDecoder });
  const quiet = make();
  quietDecoder({ decoder: quiet } as unknown as MessageStream);
  return { loud: make(), quiet };
}

t.test("decodes as the decoder in whose place it is, however the bytes are cut", (t) => {
  const message = fc.uint8Array({ maxLength: 40 });
  fc.assert(
    fc.property(fc.array(message), fc.array(fc.nat(40)), (messages, cuts) => {
      const framed = messages.map((bytes) => [bytes.length >> 8, bytes.length & 255, ...bytes]);
      let rest = Uint8Array.from(framed.flat());
      const { loud, quiet } = decoders(1_000_000);
      for (const cut of [...cuts, rest.length]) {
        const piece = rest.slice(0, cut);
        rest = rest.subarray(cut);
        const [expected, found] = [loud, quiet].map((decoder) =>
          [...decoder.decode(piece)].map((bytes) => [...bytes.subarray()]),
        );
        t.same(found, expected);
      }
    }),
    { numRuns: 200 },
  );
  t.end();
});

t.test("throws nothing that somebody has to catch until the rest is here", (t) => {
  let calls = 0;
  const decoder = new LengthPrefixedDecoder({
    encodingLength: () => 2,
    lengthDecoder: (bytes) => {
      calls++;
      return lengthDecoder(bytes);
    },
  });
  quietDecoder({ decoder } as unknown as MessageStream);
  t.same([...decoder.decode(Uint8Array.of(0))], []);
  t.same([...decoder.decode(Uint8Array.of(2, 7))], []);
  t.same(
    [...decoder.decode(Uint8Array.of(9))].map((bytes) => [...bytes.subarray()]),
    [[7, 9]],
  );
  t.equal(calls, 0);
  t.end();
});

t.test("takes no more than the decoder's maximum", (t) => {
  const { quiet } = decoders(4);
  t.throws(() => quiet.decode(Uint8Array.of(1, 0, 1, 1, 1)), RangeError);
  t.end();
});

t.test("leaves alone what has no such part", (t) => {
  t.doesNotThrow(() => quietDecoder({} as MessageStream));
  t.doesNotThrow(() => quietDecoder({ decoder: null } as unknown as MessageStream));
  t.end();
});
