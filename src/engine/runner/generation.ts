import type { LlamaContextSequence, SequenceEvaluateOptions, Token } from "node-llama-cpp";
import { AnswerText } from "./answer-text.ts";
import { AnswerTokens } from "./answer-tokens.ts";
import { shiftRange } from "./context-window.ts";
import { FormatGate } from "./format-gate.ts";
import { type GrammarState, grammarFor, replay } from "./grammar.ts";
import { logprobOf } from "./logprobs.ts";
import type { Outbox } from "./outbox.ts";
import type { Pauses } from "./pauses.ts";
import { type Prompt, promptFor } from "./prompt.ts";
import type { GenerateJob } from "./protocol.ts";
import type { RunnerModel } from "./runner-model.ts";
import type { Lease, Sequences } from "./sequences.ts";
import { TokenText } from "./token-text.ts";
import { type Output, typicalOutputs } from "./typical-outputs.ts";

interface Generation {
  readonly runner: RunnerModel;
  readonly sequences: Sequences;
  readonly job: GenerateJob;
  readonly outbox: Outbox;
  readonly signal: AbortSignal;
}

/** Runs one job to its end, which it tells the outbox; returns without an end when the signal aborts. */
export async function runGeneration(generation: Generation): Promise<void> {
  const { runner, sequences, job, outbox } = generation;
  const prompt = promptFor(runner, job);
  const state = job.format && (await grammarFor(runner.llama, runner.model, job.format));
  if (job.renderOnly) {
    outbox.other({ type: "rendered", prompt: prompt.text });
    outbox.other(endEvent(prompt, { reason: "stop", tokens: 0, promptMs: 0, outputMs: 0 }));
    return;
  }
  const gate = new FormatGate(prompt.output);
  const formatted = tokensAfter(gate, runner, prompt);
  if (state) replay(runner.llama, state, formatted);
  await sequences.withSequence(prompt.tokens, async (lease) => {
    await answerPrompt(generation, prompt, { state, gate }, lease);
  });
}

/** What the format asks for, and from when on. */
interface Grammar {
  readonly state: GrammarState | undefined;
  readonly gate: FormatGate;
}

/** The resumed tokens that come after the gate has opened. */
function tokensAfter(gate: FormatGate, runner: RunnerModel, prompt: Prompt): readonly Token[] {
  const text = tokenText(runner, prompt.tokens.slice(0, -prompt.resumedTokens.length || undefined));
  return prompt.resumedTokens.filter((token) => {
    if (gate.open) return true;
    gate.push(text.push(token));
    return false;
  });
}

function tokenText(runner: RunnerModel, before: readonly Token[]): TokenText<Token> {
  return new TokenText<Token>(
    (tokens, before) => runner.model.detokenize(tokens, true, before),
    before,
  );
}

async function answerPrompt(
  generation: Generation,
  prompt: Prompt,
  grammar: Grammar,
  { sequence, cachedTokens }: Lease,
): Promise<void> {
  const { job, outbox, signal } = generation;
  const startMs = performance.now();
  outbox.other({
    type: "started",
    promptTokens: prompt.promptTokens,
    cachedTokens: Math.min(cachedTokens, prompt.promptTokens),
    ...(prompt.output && { output: prompt.output }),
  });
  const rest = await evaluateAllButLast(generation, sequence, prompt.tokens.slice(cachedTokens));
  const answer = await sampleAnswer(generation, { sequence, prompt, rest, grammar });
  if (signal.aborted) return;
  const endMs = performance.now();
  const { reason, tokens, sent, firstMs = endMs } = answer;
  outbox.other({
    ...endEvent(prompt, {
      reason,
      tokens: tokens + (job.resume?.tokens ?? 0),
      promptMs: firstMs - startMs,
      outputMs: endMs - firstMs,
    }),
    ...(job.returnContext && { context: [...prompt.tokens, ...sent()] }),
  });
}

export function endEvent(
  prompt: Pick<Prompt, "promptTokens">,
  numbers: {
    readonly reason: "stop" | "length";
    readonly tokens: number;
    readonly promptMs: number;
    readonly outputMs: number;
  },
) {
  return { type: "end", promptTokens: prompt.promptTokens, ...numbers } as const;
}

/** Whoever waits for a first token gives up after some seconds of silence; so few tokens take less on any machine. */
const SILENT_TOKENS_MAX = 64;

/**
 * Evaluates a long prompt piece by piece, so that it can be cancelled and other sequences get their share. Before each piece
 * it tells that it is at work: an agent's prompt takes minutes on a processor.
 */
async function evaluateAllButLast(
  { runner, sequences, outbox, signal }: Generation,
  sequence: LlamaContextSequence,
  tokens: readonly Token[],
): Promise<Token[]> {
  let rest = tokens.slice();
  for (;;) {
    if (rest.length > SILENT_TOKENS_MAX) outbox.other({ type: "loading", fraction: 1 });
    if (rest.length <= runner.batchTokens || signal.aborted) return rest;
    await sequences.pauses.now;
    await sequence.evaluateWithoutGeneratingNewTokens(rest.slice(0, runner.batchTokens));
    rest = rest.slice(runner.batchTokens);
  }
}

interface Answer {
  readonly reason: "stop" | "length";
  readonly tokens: number;
  /** The tokens of the text that was sent. */
  readonly sent: () => readonly Token[];
  readonly firstMs: number | undefined;
}

async function sampleAnswer(
  { runner, sequences, job, outbox, signal }: Generation,
  start: {
    readonly sequence: LlamaContextSequence;
    readonly prompt: Prompt;
    readonly rest: Token[];
    readonly grammar: Grammar;
  },
): Promise<Answer> {
  const { sequence, prompt, grammar } = start;
  const tokens = new AnswerTokens<Token>();
  const text = new AnswerText(job.stop, grammar.gate);
  const sent = (): readonly Token[] =>
    tokens.upTo(text.sentChars, (rest) => runner.model.tokenize(rest));
  let firstMs: number | undefined;
  const answer = (reason: "stop" | "length"): Answer => {
    return { reason, tokens: tokens.count, sent, firstMs };
  };
  const tokensMax = job.maxTokens - (job.resume?.tokens ?? 0);
  if (tokensMax <= 0 || signal.aborted) return answer("length");
  const pieces = tokenText(runner, prompt.tokens);
  const penaltyWindow = (count: number): Token[] => lastTokens(prompt.tokens, tokens, count);
  const options = samplingOptions(runner, job, penaltyWindow);
  const outputs = sampledOutputs({ runner, job }, sequence, start.rest, { grammar, options });
  const room = { sequence, keep: prompt.keep, pauses: sequences.pauses };
  for await (const { token, probabilities } of outputs) {
    firstMs ??= performance.now();
    if (signal.aborted) break;
    const piece = pieces.push(token);
    tokens.push(token, piece);
    const logprob =
      probabilities && job.logprobs
        ? logprobOf(token, probabilities, job.logprobs.top, runner.model)
        : undefined;
    const stopped = await text.push(piece, logprob, outbox, signal);
    if (stopped) return answer("stop");
    if (tokens.count >= tokensMax || !(await makeRoom(runner, job, room))) {
      await text.flush(outbox, signal);
      return answer("length");
    }
    await sequences.pauses.now;
  }
  firstMs ??= performance.now();
  await text.flush(outbox, signal);
  return answer("stop");
}

/** Frees a part of a full window; false when that is not wanted. */
async function makeRoom(
  runner: RunnerModel,
  job: GenerateJob,
  {
    sequence,
    keep,
    pauses,
  }: {
    readonly sequence: LlamaContextSequence;
    readonly keep: number;
    readonly pauses: Pauses;
  },
): Promise<boolean> {
  const length = sequence.nextTokenIndex;
  if (length < runner.contextLength - 1) return true;
  if (!job.shift) return false;
  await pauses.during(() => sequence.eraseContextTokenRanges([shiftRange(length, keep)]));
  return true;
}

function lastTokens(before: readonly Token[], answer: AnswerTokens<Token>, count: number): Token[] {
  const missing = Math.max(0, count - answer.count);
  return [...before.slice(Math.max(0, before.length - missing)), ...answer.last(count)];
}

function sampledOutputs(
  { runner, job }: Pick<Generation, "runner" | "job">,
  sequence: LlamaContextSequence,
  tokens: Token[],
  how: { readonly grammar: Grammar; readonly options: SequenceEvaluateOptions },
): AsyncIterable<Output> {
  const { sampling, logprobs } = job;
  const { state, gate } = how.grammar;
  const grammar = (): GrammarState | undefined => (gate.open ? state : undefined);
  const wantsLogprobs = logprobs !== undefined;
  if (sampling.typicalP < 1) {
    const { options } = how;
    return typicalOutputs(sequence, tokens, { runner, sampling, options, grammar, wantsLogprobs });
  }
  const options = { ...how.options, ...(state && { grammarEvaluationState: grammar }) };
  return wantsLogprobs
    ? sequence.evaluateWithMetadata(tokens, { probabilities: true }, options)
    : sequence.evaluateWithMetadata(tokens, {}, options);
}

function samplingOptions(
  runner: RunnerModel,
  job: GenerateJob,
  penaltyWindow: (count: number) => Token[],
): SequenceEvaluateOptions {
  const { temperature, topK, topP, minP, seed, ...penalties } = job.sampling;
  const { repeatPenalty: penalty, presencePenalty, frequencyPenalty, repeatLastN } = penalties;
  const lastN = repeatLastN < 0 ? runner.contextLength : repeatLastN;
  const punishes = lastN > 0 && (penalty !== 1 || presencePenalty !== 0 || frequencyPenalty !== 0);
  return {
    temperature,
    topK,
    topP,
    minP,
    seed,
    ...(punishes && {
      repeatPenalty: {
        punishTokens: () => penaltyWindow(lastN),
        maxPunishTokens: lastN,
        penalty,
        presencePenalty,
        frequencyPenalty,
      },
    }),
  };
}
