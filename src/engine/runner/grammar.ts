import {
  type Llama,
  LlamaGrammarEvaluationState,
  LlamaJsonSchemaGrammar,
  type LlamaModel,
} from "node-llama-cpp";
import { InferenceError } from "../../core/errors.ts";
import type { JsonFormat } from "../../core/inference.ts";
import { type GrammarSchema, toGrammarSchema } from "./json-schema.ts";

/** A JSON object, and nothing after it (llama.cpp's json.gbnf without its trailing space, so that the answer ends). */
const JSON_GRAMMAR = String.raw`root ::= object
value ::= object | array | string | number | "true" | "false" | "null"
object ::= "{" ws ( string ":" ws value ws ( "," ws string ":" ws value ws )* )? "}"
array ::= "[" ws ( value ws ( "," ws value ws )* )? "]"
string ::= "\"" ( [^"\\\x7F\x00-\x1F] | "\\" ( ["\\/bfnrt] | "u" [0-9a-fA-F]{4} ) )* "\""
number ::= "-"? ( "0" | [1-9] [0-9]{0,15} ) ( "." [0-9]{1,15} )? ( [eE] [-+]? [0-9]{1,3} )?
ws ::= | " " | "\n" [ \t]{0,20}
`;

/** node-llama-cpp ends its schema grammars with four line feeds that the model would have to write. */
const SCHEMA_TAIL = String.raw` "\n\n\n\n" [\n]*`;

/** Its integers may have an exponent, which JSON Schema allows and many a client's decoder does not. */
const INTEGER_RULE = /^integer-number-rule ::= .*$/m;
const PLAIN_INTEGER = 'integer-number-rule ::= "-"? ("0" | [1-9] [0-9]{0,15})';

export type GrammarState = LlamaGrammarEvaluationState;

/** A fresh state of the grammar that the format asks for. Throws INVALID_OPTION in Ollama's words when there is none. */
export async function grammarFor(
  llama: Llama,
  model: LlamaModel,
  format: JsonFormat,
): Promise<GrammarState> {
  try {
    const grammar = await llama.createGrammar({ grammar: grammarText(llama, format) });
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

/** As GBNF. */
export function grammarText(llama: Llama, format: JsonFormat): string {
  if (format === "json") return JSON_GRAMMAR;
  const schema: GrammarSchema = toGrammarSchema(format);
  const text = new LlamaJsonSchemaGrammar(llama, schema as never).grammar;
  return text.replace(SCHEMA_TAIL, "").replace(INTEGER_RULE, PLAIN_INTEGER);
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
  const { _state } = state as unknown as { readonly _state: unknown };
  for (const token of tokens) {
    if (!AddonSampler.canBeNextTokenForGrammarEvaluationState(_state, token)) {
      throw new InferenceError(
        "INVALID_REQUEST",
        "the text to resume from does not fit the format",
      );
    }
    AddonSampler.acceptGrammarEvaluationStateToken(_state, token);
  }
}
