import { InferenceError } from "../../core/errors.ts";
import { answerFormatOf, type OutputFormat } from "../../core/output-format.ts";
import { withLayers } from "../chat-template.ts";
import { ImageMarks, type MarkedPrompt, MEDIA_MARK } from "./image-marks.ts";
import { conversationText, outputOf, PROMPT_TOO_LONG, rawPrompt } from "./prompt.ts";
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
      ? { ...withoutBegin(runner, rawPrompt(runner, job.input).text), output: undefined }
      : await conversationPrompt(vision, job);
  const promptTokens = await vision.countTokens(prompt.text, prompt.images);
  const resumed = runner.model.tokenize(job.resume?.text ?? "").length;
  // The library cannot forget a part of what it has read, so a prompt is never cut.
  if (promptTokens + resumed > runner.contextLength - 1) {
    throw new InferenceError("INVALID_REQUEST", PROMPT_TOO_LONG);
  }
  return { ...prompt, promptTokens };
}

async function conversationPrompt(
  vision: VisionModel,
  job: GenerateJob,
): Promise<Omit<VisionPrompt, "promptTokens">> {
  const { text: runner } = vision;
  const { input } = job;
  if (input.kind !== "messages") throw new Error("a conversation has messages");
  const images = withLayers(input, runner.spec).flatMap((message) => message.images ?? []);
  const imageTokens = await vision.imageTokens(images);
  const marks = new ImageMarks();
  const tokensMax = job.truncate ? runner.contextLength - 1 : Infinity;
  const text = conversationText(runner, input, {
    thinksFirst: job.format !== undefined && Boolean(input.think),
    shownAs: (message) => marks.mark(message),
    fits: (rendered) => {
      const marked = marks.taken(rendered);
      const seen = marked.images.reduce((sum, image) => sum + (imageTokens.get(image) ?? 0), 0);
      return textTokens(runner, marked.text) + seen <= tokensMax;
    },
  });
  const { text: marked, images: seen } = marks.taken(text);
  const begun = withoutBegin(runner, marked);
  const output = answerFormatOf(outputOf(runner, input), text);
  return { ...begun, images: seen, shown: marks.shown(text), output };
}

/** Each piece between pictures is cut into tokens by itself. */
function textTokens({ model }: RunnerModel, text: string): number {
  const pieces = text.split(MEDIA_MARK);
  return pieces.reduce((sum, piece) => sum + model.tokenize(piece, true).length, 1);
}

/** The library puts the first token before a prompt itself, and again where the text has it already. */
function withoutBegin(runner: RunnerModel, text: string): MarkedPrompt & { shown: string } {
  const { bosString, shouldPrependBosToken } = runner.model.tokens;
  const begins = shouldPrependBosToken && bosString && text.startsWith(bosString);
  return { text: begins ? text.slice(bosString.length) : text, images: [], shown: text };
}
