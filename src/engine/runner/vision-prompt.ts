import { InferenceError } from "../../core/errors.ts";
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
      ? unseen(runner, rawPrompt(runner, job.input).text)
      : await conversationPrompt(vision, job);
  const resumed = runner.model.tokenize(job.resume?.text ?? "").length;
  // The library cannot forget a part of what it has read, so a prompt is never cut.
  if (prompt.promptTokens + resumed > runner.contextLength - 1) {
    throw new InferenceError("INVALID_REQUEST", PROMPT_TOO_LONG);
  }
  return prompt;
}

async function conversationPrompt(vision: VisionModel, job: GenerateJob): Promise<VisionPrompt> {
  const { text: runner } = vision;
  const { input } = job;
  if (input.kind !== "messages") throw new Error("a conversation has messages");
  const images = withLayers(input, runner.spec).flatMap((message) => message.images ?? []);
  const imageTokens = await vision.imageTokens(images);
  const marks = new ImageMarks();
  const tokensOf = ({ text, images }: MarkedPrompt): number =>
    images.reduce(
      (sum, image) => sum + (imageTokens.get(image) ?? 0),
      textTokens(runner, withoutBegin(runner, text)),
    );
  const tokensMax = job.truncate ? runner.contextLength - 1 : Infinity;
  const text = conversationText(runner, input, {
    thinksFirst: job.format !== undefined && Boolean(input.think),
    shownAs: (message) => marks.mark(message),
    fits: (rendered) => tokensOf(marks.taken(rendered)) <= tokensMax,
  });
  const marked = marks.taken(text);
  return {
    text: withoutBegin(runner, marked.text),
    images: marked.images,
    shown: marks.shown(text),
    promptTokens: tokensOf(marked),
    output: outputAfter(runner, input, text),
  };
}

function unseen(runner: RunnerModel, shown: string): VisionPrompt {
  const text = withoutBegin(runner, shown);
  return { text, images: [], shown, promptTokens: textTokens(runner, text), output: undefined };
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
