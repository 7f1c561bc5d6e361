import fc from "fast-check";
import t from "tap";
import { shortestFloat32 } from "./float32.ts";

t.test("the shortest decimal of a 32-bit float", async (t) => {
  const rows: readonly [value: number, text: string][] = [
    [0, "0"],
    [1, "1"],
    [0.1, "0.1"],
    [Math.fround(0.1), "0.1"],
    [-0.1, "-0.1"],
    [1 / 3, "0.33333334"],
    [2 / 3, "0.6666667"],
    [0.000009999999747378752, "0.00001"],
    [16_777_216, "16777216"],
    [3.4028234663852886e38, "3.4028235e+38"],
    [1.401298464324817e-45, "1.4013e-45"],
    [0.10000001639127731, "0.10000002"],
  ];
  for (const [value, text] of rows) t.equal(JSON.stringify(shortestFloat32(value)), text);
  fc.assert(
    fc.property(fc.float({ noNaN: true }), (float) => {
      const short = shortestFloat32(float);
      const digits = short.toExponential().replace(/e.*|\D/g, "").length;
      return Math.fround(short) === float && (digits <= 9 || !Number.isFinite(float));
    }),
  );
  t.pass("any float comes back, with nine digits at most");
});
