import type { Token } from "node-llama-cpp";
import { systemClock } from "../../core/clock.ts";
import { InferenceError } from "../../core/errors.ts";
import { goOutputFormatOf } from "../../core/go-output-format.ts";
import type { GenerateInput, Message } from "../../core/inference.ts";
import { answerFormatOf, type OutputFormat } from "../../core/output-format.ts";
import { begunAnswer, renderConversation, renderInfill, withLayers } from "../chat-template.ts";
import { fitConversation } from "../fit-conversation.ts";
import { cutTokens } from "./context-window.ts";
import type { GenerateJob } from "./protocol.ts";
import type { RunnerModel } from "./runner-model.ts";
import { vocabularyOf } from "./vocabulary.ts";

export const PROMPT_TOO_LONG =
  "the prompt is longer than the context length currently available to the model; shorten the prompt, " +
  "adjust the context length in settings, or use a model with a longer context length";

const NO_PROJECTOR =
  "this model has no projector, so it takes no images or sounds here: create it with its mmproj file as a second FROM, or use another one";

type Conversation = GenerateInput & { readonly kind: "messages" };

export interface Prompt {
  readonly text: string;
  /** What to evaluate: the prompt's tokens, then those of the text to resume from. */
  readonly tokens: readonly Token[];
  readonly promptTokens: number;
  readonly resumedTokens: readonly Token[];
  /** How the answer marks its parts; a raw prompt's answer is text and no more. */
  readonly output: OutputFormat | undefined;
  /** Never dropped when the window is full: num_keep, and the first token if it begins the sequence. */
  readonly keep: number;
}

/** The prompt of a job as text and as tokens that leave room for an answer; one that is only shown is told and counted whole. */
export function promptFor(runner: RunnerModel, job: GenerateJob): Prompt {
  const tokensMax = job.renderOnly ? Infinity : runner.contextLength - 1;
  refuseImages(job.input);
  const { text, tokens } =
    job.input.kind === "prompt"
      ? rawPrompt(runner, job.input)
      : conversationPrompt(runner, job.input, {
          tokensMax: job.truncate ? tokensMax : Infinity,
          thinksFirst: job.format !== undefined && Boolean(job.input.think),
        });
  if (tokens.length > tokensMax && !(job.truncate && job.shift)) {
    throw new InferenceError("INVALID_REQUEST", PROMPT_TOO_LONG);
  }
  const resumedTokens = continuation(runner, { text, tokens }, job.resume?.text ?? "");
  const begins = tokens[0] === runner.model.tokens.bos ? 1 : 0;
  const keep = Math.max(0, job.sampling.numKeep) + begins;
  const all = [...tokens, ...resumedTokens];
  return {
    text,
    tokens: cutTokens(all, tokensMax, keep),
    promptTokens: Math.min(tokens.length, tokensMax),
    resumedTokens,
    output: job.input.kind === "messages" ? outputAfter(runner, job.input, text) : undefined,
    keep,
  };
}

function refuseImages(input: GenerateInput): void {
  const holders = input.kind === "messages" ? input.messages : [input];
  if (holders.some(({ images }) => images?.length)) {
    throw new InferenceError("UNSUPPORTED", NO_PROJECTOR);
  }
}

interface Tokenized {
  readonly text: string;
  readonly tokens: readonly Token[];
}

type RawInput = GenerateInput & { readonly kind: "prompt" };

export function rawPrompt(runner: RunnerModel, input: RawInput): Tokenized {
  const before = input.context ? textOf(runner, input.context) : "";
  const whole = (text: string): Tokenized => ({ text, tokens: runner.tokenize(text) });
  if (input.suffix === undefined || input.suffix === "") return whole(before + input.prompt);
  const { prompt, suffix, template } = input;
  const rendered = renderInfill(
    runner.template,
    { prompt, suffix, template },
    systemClock.wallMs(),
  );
  return rendered === undefined ? infillPrompt(runner, input, before) : whole(before + rendered);
}

/** By the tokens that the vocabulary has for it. */
function infillPrompt(
  { model }: RunnerModel,
  { prompt, suffix: after = "" }: RawInput,
  before: string,
): Tokenized {
  const { prefix, suffix, middle, prefixString, suffixString, middleString } = model.tokens.infill;
  if (prefix === null || suffix === null || middle === null) {
    throw new InferenceError("INVALID_REQUEST", "the model does not support insert");
  }
  const tokenize = (text: string): Token[] => model.tokenize(text, false);
  return {
    text: `${before}${prefixString}${prompt}${suffixString}${after}${middleString}`,
    tokens: [
      ...model.tokenize(before, true),
      prefix,
      ...tokenize(prompt),
      suffix,
      ...tokenize(after),
      middle,
    ],
  };
}

function conversationPrompt(
  runner: RunnerModel,
  input: Conversation,
  options: { readonly tokensMax: number; readonly thinksFirst: boolean },
): Tokenized {
  const text = conversationText(runner, input, {
    thinksFirst: options.thinksFirst,
    shownAs: (message) => message,
    fits: (prompt) => runner.tokenize(prompt).length <= options.tokensMax,
  });
  return { text, tokens: runner.tokenize(text) };
}

/** Renders as many of the last turns as fit. */
export function conversationText(
  runner: RunnerModel,
  input: Conversation,
  options: {
    readonly thinksFirst: boolean;
    /** A message as the template gets it. */
    readonly shownAs: (message: Message) => Message;
    readonly fits: (prompt: string) => boolean;
  },
): string {
  const before = input.context ? textOf(runner, input.context) : "";
  const messages = withLayers(input, runner.spec);
  const thinksFirst = options.thinksFirst && !begunAnswer(messages);
  const render = (messages: readonly Message[]): string => {
    const shown = messages.map(options.shownAs);
    const rendered =
      before + renderConversation(runner.template, shown, input, systemClock.wallMs());
    return thinksFirst ? beginThinking(outputOf(runner, input), rendered) : rendered;
  };
  return render(fitConversation(messages, (some) => options.fits(render(some))));
}

/** How the answer to this prompt marks its parts. */
export function outputAfter(
  runner: RunnerModel,
  input: Conversation,
  prompt: string,
): OutputFormat {
  const format = outputOf(runner, input);
  // gpt-oss names the channel at a message's begin: one that has begun is text.
  const isText = format.calls === "harmony" && begunAnswer(input.messages) !== undefined;
  return isText ? {} : answerFormatOf(format, prompt);
}

/** A template of the request's own tells how the answer is marked, too. */
function outputOf(runner: RunnerModel, { template }: { readonly template?: string }): OutputFormat {
  return template === undefined ? runner.output : goOutputFormatOf(template);
}

/** An answer in a format begins either with its thinking or with what the format asks for: this settles which. */
function beginThinking(format: OutputFormat, prompt: string): string {
  const { thinking, beginsThinking } = answerFormatOf(format, prompt);
  return thinking && !beginsThinking ? prompt + thinking.open : prompt;
}

/** An earlier answer's tokens, from a client: they go back to text, so that they need not be this model's. */
function textOf(runner: RunnerModel, context: readonly number[]): string {
  const { isToken } = vocabularyOf(runner.model);
  const tokens = context.filter(isToken).filter((token) => token !== runner.model.tokens.bos);
  return runner.model.detokenize(tokens, true);
}

/** The tokens of text that goes on after the prompt, cut as the tokenizer cuts both together when it can be. */
function continuation(runner: RunnerModel, prompt: Tokenized, text: string): readonly Token[] {
  if (text === "") return [];
  const all = runner.tokenize(prompt.text + text);
  const follows = prompt.tokens.every((token, index) => all[index] === token);
  return follows ? all.slice(prompt.tokens.length) : runner.model.tokenize(text, true);
}
