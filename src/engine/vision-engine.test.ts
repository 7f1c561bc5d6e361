import t from "tap";
import { seeingModel } from "../../test/fixtures/multimodal-model.ts";
import { testEngine } from "../../test/fixtures/test-engine.ts";
import { engineContract } from "./engine.contract.ts";

const model = seeingModel(t);
engineContract(t, () => testEngine({ numParallel: 2 }, { models: [model] }));
