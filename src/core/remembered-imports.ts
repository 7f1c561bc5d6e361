import { type ResolveFnOutput, registerHooks } from "node:module";

// For a process's first import, or for --import. Node asks the file system anew at each import, and a node's 1,750 modules are
// imported 4,500 times: that was a seventh of what loading them takes. The same path is the same file, and a package's name the
// same package for all files of a folder.
const found = new Map<string, ResolveFnOutput>();

registerHooks({
  resolve(specifier, context, nextResolve) {
    const { parentURL, conditions } = context;
    // What is required may leave out its file's ending.
    if (parentURL === undefined || !conditions.includes("import")) {
      return nextResolve(specifier, context);
    }
    const isPath = specifier.startsWith("./") || specifier.startsWith("../");
    const wanted = isPath
      ? new URL(specifier, parentURL).href
      : `${specifier} ${parentURL.slice(0, parentURL.lastIndexOf("/"))}`;
    const known = found.get(wanted);
    if (known) return known;
    const { url, format } = nextResolve(specifier, context);
    const result = { url, format, shortCircuit: true };
    found.set(wanted, result);
    return result;
  },
});
