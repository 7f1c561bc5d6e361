import { registerHooks } from "node:module";

const THEIRS = "/node-llama-cpp/dist/bindings/utils/testBindingBinary.js";

type Test = (
  binary: string,
  backends: unknown,
  gpu: unknown,
  ...rest: unknown[]
) => Promise<boolean>;

let theirs = "";

/**
 * node-llama-cpp loads each binary in a process of its own first, lest one that does not fit the machine ends this process: a
 * third of what a small model takes to load. That is for who has more to lose than a runner, and for binaries that need a driver,
 * after which the next kind is tried. The processor's needs none, and after it there is no next one: it is loaded at once.
 *
 * Has to be called before the library is imported.
 */
export function testOnlyGpuBinaries(): void {
  registerHooks({
    resolve: (specifier, context, next) => {
      const found = next(specifier, context);
      if (!found.url.endsWith(THEIRS)) return found;
      theirs = found.url;
      return { ...found, url: import.meta.url };
    },
  });
}

/** In place of the library's function of that name. */
export const testBindingBinary: Test = async (binary, backends, gpu, ...rest) => {
  if (gpu === false) return true;
  const own = (await import(`${theirs}?own`)) as { readonly testBindingBinary: Test };
  return await own.testBindingBinary(binary, backends, gpu, ...rest);
};
