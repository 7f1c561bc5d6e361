import type { Token } from "node-llama-cpp";
import { InferenceError } from "../../core/errors.ts";
import type { Logprob } from "../../core/inference.ts";
import { AnswerText } from "./answer-text.ts";
import { FormatGate } from "./format-gate.ts";
import { endEvent } from "./generation.ts";
import { grammarFor, grammarText } from "./grammar.ts";
import { logprobOf } from "./logprobs.ts";
import { MEDIA_MARK } from "./media-marks.ts";
import {
  type MultimodalAsk,
  type MultimodalModel,
  type MultimodalStep,
  toldWhenLong,
} from "./multimodal-model.ts";
import { type MultimodalPrompt, multimodalPromptFor } from "./multimodal-prompt.ts";
import type { Outbox } from "./outbox.ts";
import type { GenerateJob } from "./protocol.ts";
import type { RunnerModel } from "./runner-model.ts";

interface Generation {
  readonly multimodal: MultimodalModel;
  readonly job: GenerateJob;
  readonly outbox: Outbox;
  readonly signal: AbortSignal;
}

/** As `runGeneration`, for a model that sees or hears. */
export async function runMultimodalGeneration(generation: Generation): Promise<void> {
  const { multimodal, job, outbox, signal } = generation;
  const { llama, model } = multimodal.text;
  const prompt = await toldWhenLong(multimodalPromptFor(multimodal, job, signal), () =>
    outbox.other({ type: "loading", fraction: 1 }),
  );
  // Refuses what is no format, which the library does not survive.
  if (job.format) await grammarFor(llama, model, job.format);
  if (job.renderOnly) {
    outbox.other({ type: "rendered", prompt: prompt.shown });
    outbox.other(endEvent(prompt, { reason: "stop", tokens: 0, promptMs: 0, outputMs: 0 }));
    return;
  }
  const startMs = performance.now();
  const { promptTokens, output } = prompt;
  outbox.other({ type: "started", promptTokens, cachedTokens: 0, ...(output && { output }) });
  const answer = await sampleAnswer(generation, prompt);
  if (signal.aborted) return;
  const endMs = performance.now();
  const { reason, tokens, text, firstMs = endMs } = answer;
  outbox.other({
    ...endEvent(prompt, {
      reason,
      tokens: tokens + (job.resume?.tokens ?? 0),
      promptMs: firstMs - startMs,
      outputMs: endMs - firstMs,
    }),
    ...(job.returnContext && { context: contextOf(multimodal.text, prompt, text) }),
  });
}

interface Answer {
  readonly reason: "stop" | "length";
  readonly tokens: number;
  /** What was sent, with what was resumed. */
  readonly text: string;
  readonly firstMs: number | undefined;
}

/**
 * Token by token. A format holds from where the answer itself begins; where a model thinks before it, the library is asked
 * twice: for the thinking, then for the rest in the format.
 */
async function sampleAnswer(
  { multimodal, job, outbox, signal }: Generation,
  prompt: MultimodalPrompt,
): Promise<Answer> {
  const gate = new FormatGate(prompt.output);
  const resumed = job.resume?.text ?? "";
  let text = resumed;
  gate.push(text);
  if (job.format && gate.open && text !== "") {
    throw new InferenceError(
      "UNSUPPORTED",
      "an answer in a format cannot be resumed with images or sounds",
    );
  }
  const sent = new AnswerText(job.stop, gate);
  const tokensMax = job.maxTokens - (job.resume?.tokens ?? 0);
  let tokens = 0;
  let firstMs: number | undefined;
  const answer = (reason: "stop" | "length"): Answer => ({
    ...{ reason, tokens, firstMs },
    text: text.slice(0, resumed.length + sent.sentChars),
  });
  while (tokens < tokensMax && !signal.aborted) {
    const isHeld = job.format !== undefined && gate.open;
    const grammar = isHeld && job.format ? grammarText(job.format) : undefined;
    const ask = askOf({ multimodal, job }, prompt, {
      text,
      grammar,
      maxTokens: tokensMax - tokens,
    });
    for await (const step of multimodal.answer(ask, signal)) {
      if (step.kind === "silent") {
        outbox.other({ type: "loading", fraction: 1 });
        continue;
      }
      firstMs ??= performance.now();
      if (step.kind === "end") {
        await sent.flush(outbox, signal);
        return answer(step.reason);
      }
      tokens++;
      text += step.text;
      const logprob = job.logprobs && logprobOfStep(step, job, multimodal.text);
      if (await sent.push(step.text, logprob, outbox, signal)) return answer("stop");
      if (job.format && !isHeld && gate.open) break;
    }
  }
  await sent.flush(outbox, signal);
  return answer("length");
}

function askOf(
  { multimodal, job }: Pick<Generation, "multimodal" | "job">,
  prompt: MultimodalPrompt,
  o: {
    readonly text: string;
    readonly grammar: string | undefined;
    readonly maxTokens: number;
  },
): MultimodalAsk {
  return {
    prompt: prompt.text + o.text,
    media: prompt.media,
    maxTokens: o.maxTokens,
    grammar: o.grammar,
    wantsProbabilities: job.logprobs !== undefined,
    sampling: samplingOf(job, multimodal.text.contextLength),
  };
}

/** What the library does unless told otherwise (DRY, and XTC, which now and then drops the likeliest tokens), Ollama does not. */
function samplingOf({ sampling }: GenerateJob, contextLength: number): MultimodalAsk["sampling"] {
  const { repeatLastN } = sampling;
  return {
    seed: sampling.seed,
    temperature: sampling.temperature,
    top_k: sampling.topK,
    top_p: sampling.topP,
    min_p: sampling.minP,
    typical_p: sampling.typicalP,
    penalty_last_n: repeatLastN < 0 ? contextLength : repeatLastN,
    penalty_repeat: sampling.repeatPenalty,
    penalty_freq: sampling.frequencyPenalty,
    penalty_present: sampling.presencePenalty,
    dry_multiplier: 0,
    xtc_probability: 0,
  };
}

/** The library tells the sampled token's text, and the candidates' numbers: it is the one with that text. */
function logprobOfStep(
  { text, probabilities }: MultimodalStep & { readonly kind: "token" },
  { sampling, logprobs }: GenerateJob,
  { model }: RunnerModel,
): Logprob | undefined {
  const byToken = logprobsOfCandidates(probabilities, sampling.temperature);
  const tokens = [...byToken.keys()];
  const isSampled = (token: Token): boolean => model.detokenize([token], true) === text;
  const only = tokens.length === 1 ? tokens[0] : undefined;
  const sampled = tokens.find(isSampled) ?? only ?? model.tokenize(text)[0];
  return sampled === undefined ? undefined : logprobOf(sampled, byToken, logprobs?.top ?? 0, model);
}

/**
 * The library tells only of the candidates that its samplers have left over, and how likely they made them. The temperature can
 * be undone, so they are the model's own where the samplers leave all over (top_k 0, top_p 1), and else those of a model that has
 * no other tokens. Greedy sampling leaves one.
 */
export function logprobsOfCandidates(
  candidates: (MultimodalStep & { readonly kind: "token" })["probabilities"],
  temperature: number,
): ReadonlyMap<Token, number> {
  const left = candidates.filter(({ prob }) => prob > 0);
  const heat = temperature > 0 ? temperature : 1;
  const logits = left.map(({ prob }) => heat * Math.log(prob));
  const highest = logits[0] ?? 0;
  const weight = logits.reduce((sum, logit) => sum + Math.exp(logit - highest), 0);
  const logprob = (prob: number) => heat * Math.log(prob) - highest - Math.log(weight);
  return new Map(left.map(({ tok, prob }) => [tok as Token, logprob(prob)]));
}

/** The next turn's, which has no pictures or sounds. */
function contextOf({ model }: RunnerModel, prompt: MultimodalPrompt, answer: string): number[] {
  const { bos, shouldPrependBosToken } = model.tokens;
  const text = prompt.text.replaceAll(MEDIA_MARK, "");
  const first = shouldPrependBosToken && bos !== null ? [bos] : [];
  return [...first, ...model.tokenize(text, true), ...model.tokenize(answer, true)];
}
