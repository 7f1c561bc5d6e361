import { InferenceError } from "../../core/errors.ts";
import type { GenerateInput } from "../../core/inference.ts";
import type { OutputFormat } from "../../core/output-format.ts";
import { withLayers } from "../chat-template.ts";
import { ImageMarks, type MarkedPrompt, MEDIA_MARK } from "./image-marks.ts";
import { conversationText, outputAfter, PROMPT_TOO_LONG, rawPrompt } from "./prompt.ts";
import type { GenerateJob } from "./protocol.ts";
import type { RunnerModel } from "./runner-model.ts";
import type { VisionModel } from "./vision-model.ts";

export interface VisionPrompt extends MarkedPrompt {
  /** For people. */
  readonly shown: string;
  readonly promptTokens: number;
  readonly output: OutputFormat | undefined;
}

/** The prompt of a job with its pictures' places, of as many turns as leave room for an answer. */
export async function visionPromptFor(
  vision: VisionModel,
  job: GenerateJob,
): Promise<VisionPrompt> {
  const { text: runner } = vision;
  const prompt =
    job.input.kind === "prompt"
      ? await wholePrompt(vision, job.input)
      : await conversationPrompt(vision, job, job.input);
  const resumed = runner.model.tokenize(job.resume?.text ?? "").length;
  // The library cannot forget a part of what it has read, so a prompt is never cut.
  if (!job.renderOnly && prompt.promptTokens + resumed > runner.contextLength - 1) {
    throw new InferenceError("INVALID_REQUEST", PROMPT_TOO_LONG);
  }
  return prompt;
}

async function wholePrompt(
  vision: VisionModel,
  input: GenerateInput & { readonly kind: "prompt" },
): Promise<VisionPrompt> {
  const { images = [] } = input;
  const imageTokens = await vision.imageTokens(images);
  const marks = new ImageMarks();
  const whole = rawPrompt(vision.text, input).text;
  const text = images.length === 0 ? whole : marks.place(withoutBegin(vision.text, whole), images);
  return visionPrompt({ runner: vision.text, marks, imageTokens }, text, undefined);
}

async function conversationPrompt(
  vision: VisionModel,
  job: GenerateJob,
  input: GenerateInput & { readonly kind: "messages" },
): Promise<VisionPrompt> {
  const { text: runner } = vision;
  const images = withLayers(input, runner.spec).flatMap((message) => message.images ?? []);
  const marks = new ImageMarks();
  const places = { runner, marks, imageTokens: await vision.imageTokens(images) };
  const tokensMax = job.truncate && !job.renderOnly ? runner.contextLength - 1 : Infinity;
  const text = conversationText(runner, input, {
    thinksFirst: job.format !== undefined && Boolean(input.think),
    shownAs: (message) => marks.mark(message),
    fits: (rendered) => tokensOf(places, marks.taken(rendered)) <= tokensMax,
  });
  return visionPrompt(places, text, outputAfter(runner, input, text));
}

/** What it takes to put the pictures of a prompt into it. */
interface Places {
  readonly runner: RunnerModel;
  readonly marks: ImageMarks;
  readonly imageTokens: ReadonlyMap<string, number>;
}

function visionPrompt(
  places: Places,
  text: string,
  output: OutputFormat | undefined,
): VisionPrompt {
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
