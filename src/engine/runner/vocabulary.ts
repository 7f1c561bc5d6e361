import type { Token } from "node-llama-cpp";
import { InferenceError } from "../../core/errors.ts";
import type { TokensJob } from "./protocol.ts";
import type { RunnerModel } from "./runner-model.ts";

/** Text as a model reads it, or its tokens as text: both, whichever was given. */
export function convert(
  { model }: Pick<RunnerModel, "model">,
  { of }: TokensJob,
): { tokens: number[]; text: string } {
  if (of.kind === "text") {
    const tokens = model.tokenize(of.text, of.parseSpecial);
    const { bos, shouldPrependBosToken } = model.tokens;
    const isAdded = of.addSpecial && shouldPrependBosToken && tokens[0] !== bos;
    if (isAdded && bos !== null) tokens.unshift(bos);
    return { tokens, text: of.text };
  }
  const { tokensMax, isToken } = vocabularyOf(model);
  const stranger = of.tokens.find((token) => !isToken(token));
  if (stranger !== undefined) {
    const range = `the model's are 0 to ${tokensMax - 1}`;
    throw new InferenceError("INVALID_REQUEST", `${stranger} is not a token: ${range}`);
  }
  return { tokens: [...of.tokens], text: model.detokenize(of.tokens.filter(isToken), true) };
}

/** Which numbers are tokens of the model. */
export function vocabularyOf(model: RunnerModel["model"]) {
  const tokensMax = model.fileInfo.metadata.tokenizer.ggml.tokens.length;
  const isToken = (token: number): token is Token =>
    Number.isInteger(token) && token >= 0 && token < tokensMax;
  return { tokensMax, isToken };
}
