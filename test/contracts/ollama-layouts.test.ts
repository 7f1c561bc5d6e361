import { readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { importGguf } from "../../src/blobs/import-gguf.ts";
import { ModelStore } from "../../src/blobs/model-store.ts";
import { StoreKeeper } from "../../src/blobs/store-keeper.ts";
import { systemClock } from "../../src/core/clock.ts";
import { silentLog } from "../../src/core/log.ts";
import { parseModelName } from "../../src/core/model-name.ts";
import { seededRandom } from "../../src/core/random.ts";
import { collect, ending, waiting } from "../../src/engine/engine.contract.ts";
import { LlamaEngine } from "../../src/engine/llama-engine.ts";
import { OLLAMA_MODELS, type OllamaModel, ollamaLayout } from "../fixtures/ollama-layouts.ts";
import { tempFolder } from "../fixtures/temp-folder.ts";
import { plainPng } from "../fixtures/vision-projector.ts";

const deps = { clock: systemClock, log: silentLog };
const folder = tempFolder(t);
const SEEING: ReadonlySet<string> = new Set(["gemma3", "mistral3", "qwen25vl", "qwen3vl"]);

t.test("models as Ollama's own engine has them are run by llama.cpp", async (t) => {
  await using store = await ModelStore.open({ dir: path.join(folder, "models") }, deps);
  const options = { maxLoadedModels: 2, contextLength: 256, numParallel: 1 };
  const random = seededRandom(1);
  await using engine = await LlamaEngine.open(options, { ...deps, random, models: store });
  const made = (): readonly string[] =>
    readdirSync(path.join(store.layout.dir, "ollamamax-translated"));

  for (const name of Object.keys(OLLAMA_MODELS) as OllamaModel[]) {
    const before = name === "gemma3" ? [] : made();
    const file = path.join(folder, `${name}.gguf`);
    writeFileSync(file, await ollamaLayout(name));
    const record = await importGguf(store, { file, name }, waiting());
    const tested = { engine, model: record.manifest };
    if (name === "embeddinggemma") {
      t.match(record.capabilities, ["embedding"]);
      const request = { requestId: "t", model: record.manifest, runner: {}, inputs: ["a text"] };
      const { vectors } = await engine.embed(request, waiting());
      t.equal(vectors[0]?.length, 64, name);
    } else {
      const say = async (...images: string[]): Promise<{ text: string; promptTokens: number }> => {
        const messages = [{ role: "user" as const, content: "tell me a story", images }];
        const input = { kind: "messages" as const, messages };
        const { text, events } = await collect(tested, { input, maxTokens: 8 });
        return { text, promptTokens: ending(events).promptTokens };
      };
      const blind = await say();
      t.not(blind.text, "", name);
      t.equal(record.capabilities.includes("vision"), SEEING.has(name), name);
      if (SEEING.has(name)) {
        const sizeBytes = (): number =>
          engine.status().loaded.find(({ model }) => model === record.manifest)?.sizeBytes ?? 0;
        const alone = sizeBytes();
        const red = await say(plainPng(255, 0, 0));
        t.not(red.text, (await say(plainPng(0, 0, 255))).text, `${name} sees colours`);
        t.ok(red.promptTokens > blind.promptTokens, `${name} takes tokens for a picture`);
        const both = sizeBytes();
        t.ok(both > alone, `${name} is loaded with what it sees by once it is shown something`);
        await say();
        t.equal(sizeBytes(), both, "and stays so for texts");
        await engine.unload(record.manifest, waiting());
        await say();
        t.equal(sizeBytes(), alone, "until it is unloaded");
      }
    }
    t.equal(made().length - before.length, SEEING.has(name) ? 2 : 1, `${name}: ${made()}`);
  }
});

t.test("what was made goes with its model", async (t) => {
  await using store = await ModelStore.open({ dir: path.join(folder, "models") }, deps);
  const keeper = new StoreKeeper(store, {
    ...deps,
    quantizer: {
      quantize: () => {
        throw new Error("nobody asks for it");
      },
    },
  });
  for (const name of Object.keys(OLLAMA_MODELS)) {
    const parsed = parseModelName(name);
    t.ok(parsed && (await keeper.remove(parsed, waiting())), name);
  }
  await store.rescan();
  t.same(readdirSync(path.join(store.layout.dir, "ollamamax-translated")), []);
});
