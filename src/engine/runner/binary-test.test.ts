import t from "tap";
import { testBindingBinary, testOnlyGpuBinaries } from "./binary-test.ts";

t.test(
  "the library tests a binary before it loads it only where that needs a driver",
  async (t) => {
    testOnlyGpuBinaries();
    const library = import.meta.resolve("node-llama-cpp");
    const file = new URL("bindings/utils/testBindingBinary.js", library);
    // What its own modules get when they ask for that file.
    const { testBindingBinary: given } = await import(file.href);
    t.equal(given, testBindingBinary);
    const none = "/no/such/binary.node";
    t.equal(await given(none, undefined, false), true);
    t.equal(await given(none, undefined, "cuda"), false, "tested by the library");
  },
);
