import type {
  EmbedRequest,
  GenerateEvent,
  GenerateInput,
  GenerateRequest,
  LoadRequest,
  Logprob,
  Message,
  RunnerOptions,
  Sampling,
  TokenLogprob,
  Tokens,
  TokensRequest,
  ToolCall,
} from "../core/inference.ts";
import type { DescribeOptions } from "../core/model.ts";
import type { Marks, OutputFormat } from "../core/output-format.ts";
import {
  anything,
  boolean,
  byTag,
  type Check,
  either,
  type Fields,
  integer,
  listOf,
  number,
  objectOf,
  oneOf,
  optional,
  record,
  string,
  stringUpTo,
} from "./checks.ts";

/** Limits on what a peer may ask for; a client's own limits are the API's. */
const MESSAGES_MAX = 10_000;
const LIST_MAX = 10_000;
const CONTEXT_MAX = 4_194_304;
const REQUEST_ID_CHARS_MAX = 256;
/** Replies are bounded by the message they come in. */
const UNBOUNDED = Number.POSITIVE_INFINITY;

/** A digest is told apart from other texts where it is used. */
type Wire<T> = Omit<T, "model"> & { readonly model: string };

export type RequestMessage =
  | {
      readonly call: "generate";
      readonly requestId: string;
      readonly model: string;
      readonly request: Omit<GenerateRequest, "requestId" | "model">;
    }
  | ({ readonly call: "embed" } & Wire<EmbedRequest>)
  | ({ readonly call: "load" } & Wire<LoadRequest>)
  | ({ readonly call: "tokens" } & Wire<TokensRequest>)
  | { readonly call: "unload"; readonly requestId: string; readonly model: string }
  | ({
      readonly call: "show";
      readonly requestId: string;
      readonly model: string;
    } & DescribeOptions);

/** Any number of event lists up to the one with the end, or one of the others. */
export type ReplyMessage =
  | { readonly reply: "events"; readonly events: readonly GenerateEvent[] }
  | {
      readonly reply: "embeddings";
      /** Each the base64 of its numbers as 32-bit floats, the low byte first. */
      readonly vectors: readonly string[];
      readonly promptTokens: number;
      readonly loadMs: number;
    }
  | { readonly reply: "loaded"; readonly loadMs: number }
  | ({ readonly reply: "tokens" } & Tokens)
  | { readonly reply: "unloaded" }
  | { readonly reply: "description"; readonly description: Readonly<Record<string, unknown>> }
  | {
      readonly reply: "error";
      readonly code: string;
      readonly message: string;
      readonly retryAfterMs?: number;
    };

/** What this version does not know of a request it must not leave out. */
const strict = <T>(fields: Fields<T>): Check<T> => objectOf(fields, "refused");

const runner = strict<RunnerOptions>({
  numCtx: optional(integer),
  numBatch: optional(integer),
  numGpu: optional(integer),
  mainGpu: optional(integer),
  useMmap: optional(boolean),
  numThread: optional(integer),
});
const sampling = strict<Sampling>({
  seed: optional(number),
  temperature: optional(number),
  topK: optional(number),
  topP: optional(number),
  minP: optional(number),
  typicalP: optional(number),
  repeatLastN: optional(number),
  repeatPenalty: optional(number),
  presencePenalty: optional(number),
  frequencyPenalty: optional(number),
  numKeep: optional(number),
});
const toolCall = strict<ToolCall>({ id: optional(string), name: string, arguments: record });
const message = strict<Message>({
  role: string,
  content: string,
  thinking: optional(string),
  images: optional(listOf(string, LIST_MAX)),
  toolCalls: optional(listOf(toolCall, LIST_MAX)),
  toolName: optional(string),
  toolCallId: optional(string),
});
const input = byTag<"kind", GenerateInput>(
  "kind",
  {
    messages: {
      messages: listOf(message, MESSAGES_MAX),
      tools: optional(listOf(anything, LIST_MAX)),
      think: optional(either(boolean, oneOf("low", "medium", "high", "max"))),
      template: optional(string),
      context: optional(listOf(integer, CONTEXT_MAX)),
    },
    prompt: {
      prompt: string,
      suffix: optional(string),
      template: optional(string),
      context: optional(listOf(integer, CONTEXT_MAX)),
      images: optional(listOf(string, LIST_MAX)),
    },
  },
  "refused",
);
const generate = strict<Omit<GenerateRequest, "requestId" | "model">>({
  input,
  runner,
  sampling,
  stop: optional(listOf(string, LIST_MAX)),
  format: optional(either<"json", Readonly<Record<string, unknown>>>(oneOf("json"), record)),
  maxTokens: optional(integer),
  keepAliveMs: optional(number),
  truncate: optional(boolean),
  shift: optional(boolean),
  logprobs: optional(strict<{ top: number }>({ top: integer })),
  renderOnly: optional(boolean),
  returnContext: optional(boolean),
  resume: optional(strict<{ text: string; tokens: number }>({ text: string, tokens: integer })),
});

const of = byTag<"kind", TokensRequest["of"]>(
  "kind",
  {
    text: { text: string, addSpecial: boolean, parseSpecial: boolean },
    tokens: { tokens: listOf(integer, CONTEXT_MAX) },
  },
  "refused",
);

const common = { requestId: stringUpTo(REQUEST_ID_CHARS_MAX), model: string };

/** What a caller may ask. */
export const checkRequest = byTag<"call", RequestMessage>(
  "call",
  {
    generate: { ...common, request: generate },
    embed: {
      ...{ ...common, inputs: listOf(string, UNBOUNDED), runner },
      ...{ truncate: optional(boolean), keepAliveMs: optional(number) },
    },
    load: { ...common, runner, keepAliveMs: optional(number) },
    tokens: { ...common, of, runner, keepAliveMs: optional(number) },
    unload: common,
    show: {
      ...{ ...common, verbose: boolean },
      ...{ system: optional(string), parameters: optional(record) },
    },
  },
  "refused",
);

const integers = listOf(integer, UNBOUNDED);
const token = { token: string, logprob: number, bytes: integers };
const top = listOf(objectOf<TokenLogprob>(token, "left aside"), UNBOUNDED);
const logprob = objectOf<Logprob>({ ...token, top: optional(top) }, "left aside");
const marks = objectOf<Marks>({ open: string, close: string }, "left aside");
const output = objectOf<OutputFormat>(
  {
    ...{ calls: optional(string), callMarks: optional(marks), wrapper: optional(marks) },
    ...{ thinking: optional(marks), beginsThinking: optional(boolean) },
  },
  "left aside",
);
const event = byTag<"type", GenerateEvent>(
  "type",
  {
    text: { text: string, tokens: integer, logprobs: optional(listOf(logprob, UNBOUNDED)) },
    started: {
      ...{ promptTokens: integer, cachedTokens: integer, loadMs: number },
      output: optional(output),
    },
    end: {
      ...{ reason: oneOf("stop", "length"), promptTokens: integer, tokens: integer },
      ...{ promptMs: number, outputMs: number, context: optional(integers) },
    },
    queued: { position: integer },
    loading: { fraction: number },
    rendered: { prompt: string },
  },
  "left aside",
);

export const checkReply = byTag<"reply", ReplyMessage>(
  "reply",
  {
    events: { events: listOf(event, UNBOUNDED) },
    embeddings: {
      vectors: listOf(string, UNBOUNDED),
      promptTokens: integer,
      loadMs: number,
    },
    loaded: { loadMs: number },
    tokens: { tokens: integers, text: string, loadMs: number },
    unloaded: {},
    description: { description: record },
    error: { code: string, message: string, retryAfterMs: optional(number) },
  },
  "left aside",
);
