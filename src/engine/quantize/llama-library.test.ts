import { existsSync } from "node:fs";
import t from "tap";
import { filesOf, findLlamaLibrary, packageOf } from "./llama-library.ts";

t.test("the files, whatever their versions", (t) => {
  const rows: readonly (readonly [
    names: readonly string[],
    files: readonly string[] | undefined,
  ])[] = [
    [
      [
        ...["libggml-base.so", "libggml-cpu-x64.so", "libggml.v0.5.0.so", "libllama-common.so"],
        ...["libllama.v0.5.0.so", "llama-addon.node", "_nlcBuildMetadata.json"],
      ],
      ["libggml-base.so", "libggml.v0.5.0.so", "libllama.v0.5.0.so"],
    ],
    [
      ["libggml-base.0.9.4.dylib", "libggml-metal.dylib", "libggml.0.dylib", "libllama.dylib"],
      ["libggml-base.0.9.4.dylib", "libggml.0.dylib", "libllama.dylib"],
    ],
    [
      ["ggml-base.dll", "ggml-cpu.dll", "ggml.dll", "llama.dll", "llama-addon.node"],
      ["ggml-base.dll", "ggml.dll", "llama.dll"],
    ],
    [
      ["libggml-base.so.0", "libggml.so.0.9.4", "libllama.so.0"],
      ["libggml-base.so.0", "libggml.so.0.9.4", "libllama.so.0"],
    ],
    [["libggml-base.so", "libggml.so", "libllama.so.txt"], undefined],
    [["libggml-base.so", "libllama.so"], undefined],
    [["llama.lib", "ggml.lib", "ggml-base.lib"], undefined],
    [[], undefined],
  ];
  for (const [names, files] of rows) t.same(filesOf(names), files, names.join(" "));
  t.end();
});

t.test("a package for each machine that node-llama-cpp has one for", (t) => {
  t.equal(packageOf("linux", "x64"), "@node-llama-cpp/linux-x64");
  t.equal(packageOf("darwin", "arm64"), "@node-llama-cpp/mac-arm64-metal");
  t.equal(packageOf("freebsd", "x64"), undefined);
  t.equal(packageOf("constructor", ""), undefined);
  t.end();
});

t.test("it is found on this machine, and where there is none that is said", (t) => {
  const { dir, ...files } = findLlamaLibrary(process.platform, process.arch);
  for (const file of [dir, ...Object.values(files)]) t.ok(existsSync(file), file);
  t.throws(() => findLlamaLibrary("plan9", "mips"), /no binaries for plan9 on mips/);
  t.end();
});
