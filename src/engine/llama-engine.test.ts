import t from "tap";
import { demoModel, localModels } from "../../test/fixtures/demo-model.ts";
import { systemClock } from "../core/clock.ts";
import { silentLog } from "../core/log.ts";
import { seededRandom } from "../core/random.ts";
import { engineContract } from "./engine.contract.ts";
import { LlamaEngine } from "./llama-engine.ts";

const demo = demoModel();

engineContract(t, async () => {
  const engine = await LlamaEngine.open(
    {},
    { models: localModels([demo]), clock: systemClock, random: seededRandom(1), log: silentLog },
  );
  return {
    engine,
    model: demo.manifest,
    [Symbol.asyncDispose]: async () => await engine[Symbol.asyncDispose](),
  };
});
