import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

/** llama.cpp as node-llama-cpp ships it: in the order in which one needs the other. */
export interface LlamaLibrary {
  readonly dir: string;
  readonly base: string;
  readonly ggml: string;
  readonly llama: string;
}

/** The packages that node-llama-cpp itself takes for the processor alone (Metal's is the only one for its machines). */
const PACKAGES: Readonly<Record<string, string>> = {
  "darwin-arm64": "mac-arm64-metal",
  "darwin-x64": "mac-x64",
  "linux-arm": "linux-armv7l",
  "linux-arm64": "linux-arm64",
  "linux-riscv64": "linux-riscv64",
  "linux-x64": "linux-x64",
  "win32-arm64": "win-arm64",
  "win32-x64": "win-x64",
};

export function packageOf(platform: string, arch: string): string | undefined {
  const name = PACKAGES[`${platform}-${arch}`];
  return name === undefined ? undefined : `@node-llama-cpp/${name}`;
}

/** Throws where there is none. */
export function findLlamaLibrary(platform: string, arch: string): LlamaLibrary {
  const name = packageOf(platform, arch);
  if (name === undefined) throw new Error(`there are no binaries for ${platform} on ${arch}`);
  // It is node-llama-cpp's dependency, not ours: where it lies is npm's choice.
  const require = createRequire(import.meta.resolve("node-llama-cpp"));
  const binsDir = path.resolve(path.dirname(require.resolve(name)), "../bins");
  for (const folder of readdirSync(binsDir)) {
    const dir = path.join(binsDir, folder);
    const files = filesOf(readdirSync(dir));
    if (!files) continue;
    const [base, ggml, llama] = files;
    const at = (file: string): string => path.join(dir, file);
    return { dir, base: at(base), ggml: at(ggml), llama: at(llama) };
  }
  throw new Error(`${name} holds no libllama`);
}

/** Their names hold versions: libggml.v0.5.0.so, libllama.0.dylib, llama.dll. */
export function filesOf(
  names: readonly string[],
): readonly [base: string, ggml: string, llama: string] | undefined {
  const find = (name: string): string | undefined =>
    names.find((file) => FILE.exec(file)?.groups?.["name"] === name);
  const base = find("ggml-base");
  const ggml = find("ggml");
  const llama = find("llama");
  return base && ggml && llama ? [base, ggml, llama] : undefined;
}

const VERSION = String.raw`(?:\.v?\d+)(?:\.\d+)*`;
const FILE = new RegExp(
  `^(?:lib)?(?<name>[a-z-]+)(?:${VERSION})?\\.(?:so|dylib|dll)(?:${VERSION})?$`,
);
