import type { GenerateRequest } from "../../core/inference.ts";
import { HttpError } from "../http/http-error.ts";
import type { Decoded } from "../json/decode.ts";
import { goTypeOf } from "../json/go-type.ts";
import { parseLogprobs } from "../ollama/fields.ts";
import { COMMON_FIELDS, type CommonBody, parseChoices, parseSampling } from "./fields.ts";

export const COMPLETION_SHAPE = {
  name: "openai.CompletionRequest",
  fields: { ...COMMON_FIELDS, prompt: "any", suffix: "string", logprobs: "int" },
} as const;

/** What the shape above decodes to. */
interface Body extends CommonBody {
  readonly prompt?: unknown;
  readonly suffix?: string;
  readonly logprobs?: number;
}

export interface CompletionAsk {
  readonly model: string;
  readonly stream: boolean;
  readonly includeUsage: boolean;
  readonly prompts: readonly string[];
  readonly suffix: string;
  /** Answers wanted to each prompt. */
  readonly choices: number;
  /** The rest, as the engine takes it. */
  readonly asked: Pick<
    GenerateRequest,
    "sampling" | "stop" | "maxTokens" | "renderOnly" | "logprobs"
  >;
}

/** What one request may make, so that its answers fit into memory. */
const ANSWERS_MAX = 1_024;

/** A completion request, whichever model it is asked of. */
export function parseCompletion(decoded: Decoded): CompletionAsk {
  const body: Body = decoded;
  const prompts = parsePrompts(body.prompt);
  const choices = parseChoices(body.n);
  if (prompts.length * choices > ANSWERS_MAX) {
    const message = `a request may ask for ${ANSWERS_MAX} answers at most, prompts times 'n'`;
    throw new HttpError(400, message, { param: "prompt" });
  }
  const { logprobs = 0 } = body;
  return {
    model: body.model ?? "",
    stream: body.stream ?? false,
    includeUsage: body.stream_options?.include_usage ?? false,
    prompts,
    suffix: body.suffix ?? "",
    choices,
    asked: { ...parseSampling(body), ...parseLogprobs(logprobs > 0, logprobs) },
  };
}

/** A text or a list of texts. No prompt is the empty one, which only loads the model. */
function parsePrompts(prompt: unknown): readonly string[] {
  if (prompt === undefined) return [""];
  if (typeof prompt === "string") return [prompt];
  const refuse = (message: string): HttpError => new HttpError(400, message, { param: "prompt" });
  if (!Array.isArray(prompt)) {
    throw refuse(`invalid type for 'prompt' field: ${goTypeOf(prompt)}`);
  }
  if (prompt.length === 0) throw refuse("[] is too short - 'prompt'");
  return prompt.map((text) => {
    if (typeof text === "string") return text;
    throw refuse("lists of tokens are not supported: send 'prompt' as text");
  });
}
