import { enableCompileCache } from "node:module";
import path from "node:path";
import "./core/remembered-imports.ts";

// A quarter of what a node takes to load is the compiler's, whose work V8 can keep. Beside the packages, where only who
// may change the code can write, and not in /tmp; where that is nobody, nothing is kept. Before the first import of ours.
const cache = path.join(import.meta.dirname, "../node_modules/.cache/compiled");
enableCompileCache(cache);
/** For the processes that this one starts. */
process.env["NODE_COMPILE_CACHE"] ??= cache;
const { main } = await import("./cli/main.ts");

process.exitCode = await main(process.argv.slice(2));
