import { type Llama, LlamaGrammarEvaluationState, type LlamaModel } from "node-llama-cpp";
import { InferenceError } from "../../core/errors.ts";
import type { JsonFormat } from "../../core/inference.ts";
import { schemaGrammar } from "./schema/schema-grammar.ts";

export type GrammarState = LlamaGrammarEvaluationState;

/** A fresh state of the grammar that the format asks for. Throws INVALID_OPTION in Ollama's words when there is none. */
export async function grammarFor(
  llama: Llama,
  model: LlamaModel,
  format: JsonFormat,
): Promise<GrammarState> {
  try {
    const grammar = await llama.createGrammar({ grammar: grammarText(format) });
    return new LlamaGrammarEvaluationState({ model, grammar });
  } catch (error) {
    const quoted = JSON.stringify(JSON.stringify(format));
    throw new InferenceError(
      "INVALID_OPTION",
      `invalid format: ${quoted}; expected "json" or a valid JSON Schema object`,
      { cause: error },
    );
  }
}

/** As GBNF. What is only to be JSON is an object, as in Ollama. */
export function grammarText(format: JsonFormat): string {
  return schemaGrammar(format === "json" ? { type: "object" } : format);
}

/** The part of the addon that node-llama-cpp 3.22 has no public name for. */
interface GrammarAddon {
  readonly _bindings: {
    readonly AddonSampler: {
      acceptGrammarEvaluationStateToken(state: unknown, token: number): void;
      canBeNextTokenForGrammarEvaluationState(state: unknown, token: number): boolean;
    };
  };
}

/** Brings the grammar to where it stands after these tokens. Throws INVALID_REQUEST when they do not follow it. */
export function replay(llama: Llama, state: GrammarState, tokens: readonly number[]): void {
  const { AddonSampler } = (llama as unknown as GrammarAddon)._bindings;
  for (const token of tokens) {
    if (!AddonSampler.canBeNextTokenForGrammarEvaluationState(addonStateOf(state), token)) {
      throw new InferenceError(
        "INVALID_REQUEST",
        "the text to resume from does not fit the format",
      );
    }
    accept(llama, state, token);
  }
}

/** Brings the grammar to where it stands after a token that follows it. */
export function accept(llama: Llama, state: GrammarState, token: number): void {
  const { AddonSampler } = (llama as unknown as GrammarAddon)._bindings;
  AddonSampler.acceptGrammarEvaluationStateToken(addonStateOf(state), token);
}

function addonStateOf(state: GrammarState): unknown {
  return (state as unknown as { readonly _state: unknown })._state;
}
