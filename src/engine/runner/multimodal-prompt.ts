import { InferenceError } from "../../core/errors.ts";
import type { GenerateInput } from "../../core/inference.ts";
import type { OutputFormat } from "../../core/output-format.ts";
import { withLayers } from "../chat-template.ts";
import { type MarkedPrompt, MEDIA_MARK, MediaMarks } from "./media-marks.ts";
import type { MultimodalModel } from "./multimodal-model.ts";
import { conversationText, outputAfter, PROMPT_TOO_LONG, rawPrompt } from "./prompt.ts";
import type { GenerateJob } from "./protocol.ts";
import type { RunnerModel } from "./runner-model.ts";

export interface MultimodalPrompt extends MarkedPrompt {
  /** For people. */
  readonly shown: string;
  readonly promptTokens: number;
  readonly output: OutputFormat | undefined;
}

/** The prompt of a job with its pictures' places, of as many turns as leave room for an answer. */
export async function multimodalPromptFor(
  multimodal: MultimodalModel,
  job: GenerateJob,
): Promise<MultimodalPrompt> {
  const { text: runner } = multimodal;
  const prompt =
    job.input.kind === "prompt"
      ? await wholePrompt(multimodal, job.input)
      : await conversationPrompt(multimodal, job, job.input);
  const resumed = runner.model.tokenize(job.resume?.text ?? "").length;
  // The library cannot forget a part of what it has read, so a prompt is never cut.
  if (!job.renderOnly && prompt.promptTokens + resumed > runner.contextLength - 1) {
    throw new InferenceError("INVALID_REQUEST", PROMPT_TOO_LONG);
  }
  return prompt;
}

async function wholePrompt(
  multimodal: MultimodalModel,
  input: GenerateInput & { readonly kind: "prompt" },
): Promise<MultimodalPrompt> {
  const { images = [] } = input;
  const imageTokens = await multimodal.imageTokens(images);
  const marks = new MediaMarks();
  const whole = rawPrompt(multimodal.text, input).text;
  const text =
    images.length === 0 ? whole : marks.place(withoutBegin(multimodal.text, whole), images);
  return multimodalPrompt({ runner: multimodal.text, marks, imageTokens }, text, undefined);
}

async function conversationPrompt(
  multimodal: MultimodalModel,
  job: GenerateJob,
  input: GenerateInput & { readonly kind: "messages" },
): Promise<MultimodalPrompt> {
  const { text: runner } = multimodal;
  const images = withLayers(input, runner.spec).flatMap((message) => message.images ?? []);
  const marks = new MediaMarks();
  const places = { runner, marks, imageTokens: await multimodal.imageTokens(images) };
  const tokensMax = job.truncate && !job.renderOnly ? runner.contextLength - 1 : Infinity;
  const text = conversationText(runner, input, {
    thinksFirst: job.format !== undefined && Boolean(input.think),
    shownAs: (message) => marks.mark(message),
    fits: (rendered) => tokensOf(places, marks.taken(rendered)) <= tokensMax,
  });
  return multimodalPrompt(places, text, outputAfter(runner, input, text));
}

/** What it takes to put the pictures of a prompt into it. */
interface Places {
  readonly runner: RunnerModel;
  readonly marks: MediaMarks;
  readonly imageTokens: ReadonlyMap<string, number>;
}

function multimodalPrompt(
  places: Places,
  text: string,
  output: OutputFormat | undefined,
): MultimodalPrompt {
  const { runner, marks } = places;
  const marked = marks.taken(text);
  return {
    text: withoutBegin(runner, marked.text),
    images: marked.images,
    shown: marks.shown(text),
    promptTokens: tokensOf(places, marked),
    output,
  };
}

function tokensOf({ runner, imageTokens }: Places, { text, images }: MarkedPrompt): number {
  return images.reduce(
    (sum, image) => sum + (imageTokens.get(image) ?? 0),
    textTokens(runner, withoutBegin(runner, text)),
  );
}

/** Each piece between pictures is cut into tokens by itself; the first begins with what begins a text. */
function textTokens(runner: RunnerModel, text: string): number {
  const pieces = text.split(MEDIA_MARK);
  const begin = runner.tokenize("").length;
  return pieces.reduce((sum, piece) => sum + runner.model.tokenize(piece, true).length, begin);
}

/** The library puts the first token before a prompt itself, and again where the text has it already. */
function withoutBegin(runner: RunnerModel, text: string): string {
  const { bosString, shouldPrependBosToken } = runner.model.tokens;
  const begins = shouldPrependBosToken && bosString && text.startsWith(bosString);
  return begins ? text.slice(bosString.length) : text;
}
