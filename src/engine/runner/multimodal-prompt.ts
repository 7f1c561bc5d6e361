import { InferenceError } from "../../core/errors.ts";
import type { GenerateInput } from "../../core/inference.ts";
import type { OutputFormat } from "../../core/output-format.ts";
import { withLayers } from "../chat-template.ts";
import { type MarkedPrompt, MEDIA_MARK, MediaMarks } from "./media-marks.ts";
import { type Medium, type MultimodalModel, requirePossible } from "./multimodal-model.ts";
import { conversationText, outputAfter, PROMPT_TOO_LONG, rawPrompt } from "./prompt.ts";
import type { GenerateJob } from "./protocol.ts";
import type { RunnerModel } from "./runner-model.ts";

export interface MultimodalPrompt {
  /** With a mark of mtmd's for each medium. */
  readonly text: string;
  /** In the order of their marks. */
  readonly media: readonly Medium[];
  /** For people. */
  readonly shown: string;
  readonly promptTokens: number;
  readonly output: OutputFormat | undefined;
}

/** The prompt of a job with the places of its pictures and sounds, of as many turns as leave room for an answer. */
export async function multimodalPromptFor(
  multimodal: MultimodalModel,
  job: GenerateJob,
  signal: AbortSignal,
): Promise<MultimodalPrompt> {
  const { text: runner } = multimodal;
  const given =
    job.input.kind === "prompt"
      ? (job.input.images ?? [])
      : withLayers(job.input, runner.spec).flatMap((message) => message.images ?? []);
  const media = await multimodal.media(given, signal);
  const prompt =
    job.input.kind === "prompt"
      ? wholePrompt(runner, job.input, media)
      : conversationPrompt(runner, job, job.input, media);
  const resumed = runner.model.tokenize(job.resume?.text ?? "").length;
  // The library cannot forget a part of what it has read, so a prompt is never cut.
  if (!job.renderOnly && prompt.promptTokens + resumed > runner.contextLength - 1) {
    throw new InferenceError("INVALID_REQUEST", PROMPT_TOO_LONG);
  }
  return prompt;
}

type Media = ReadonlyMap<string, Medium>;

function wholePrompt(
  runner: RunnerModel,
  input: GenerateInput & { readonly kind: "prompt" },
  media: Media,
): MultimodalPrompt {
  const { images = [] } = input;
  const marks = new MediaMarks();
  const whole = rawPrompt(runner, input).text;
  const text = images.length === 0 ? whole : marks.place(withoutBegin(runner, whole), images);
  return multimodalPrompt({ runner, marks, media }, text, undefined);
}

function conversationPrompt(
  runner: RunnerModel,
  job: GenerateJob,
  input: GenerateInput & { readonly kind: "messages" },
  media: Media,
): MultimodalPrompt {
  const marks = new MediaMarks();
  const places = { runner, marks, media };
  const tokensMax = job.truncate && !job.renderOnly ? runner.contextLength - 1 : Infinity;
  const text = conversationText(runner, input, {
    thinksFirst: job.format !== undefined && Boolean(input.think),
    shownAs: (message) => marks.mark(message),
    fits: (rendered) => tokensOf(places, marks.taken(rendered)) <= tokensMax,
  });
  return multimodalPrompt(places, text, outputAfter(runner, input, text));
}

/** What it takes to put the pictures and sounds of a prompt into it. */
interface Places {
  readonly runner: RunnerModel;
  readonly marks: MediaMarks;
  readonly media: Media;
}

function multimodalPrompt(
  places: Places,
  text: string,
  output: OutputFormat | undefined,
): MultimodalPrompt {
  const { runner, marks, media } = places;
  const marked = marks.taken(text);
  const shown = marked.images.flatMap((image) => media.get(image) ?? []);
  // A prompt may show one of them as often as it likes.
  requirePossible(
    marked.images,
    shown.reduce((sum, { seconds }) => sum + seconds, 0),
  );
  return {
    text: withoutBegin(runner, marked.text),
    media: shown,
    shown: marks.shown(text),
    promptTokens: tokensOf(places, marked),
    output,
  };
}

function tokensOf({ runner, media }: Places, { text, images }: MarkedPrompt): number {
  return images.reduce(
    (sum, image) => sum + (media.get(image)?.tokens ?? 0),
    textTokens(runner, withoutBegin(runner, text)),
  );
}

/** Each piece between them is cut into tokens by itself; the first begins with what begins a text. */
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
