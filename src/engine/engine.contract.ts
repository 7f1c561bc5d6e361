import type { Test } from "tap";
import { type ManifestDigest, manifestDigestOf } from "../core/digest.ts";
import { InferenceError } from "../core/errors.ts";
import type { GenerateEvent, GenerateRequest, TokensRequest } from "../core/inference.ts";
import type { Engine } from "../core/ports.ts";

/** An engine that can serve the demo model (deploy/models/tiny-chat.gguf), not loaded yet, with at least two slots. */
export interface EngineUnderTest extends AsyncDisposable {
  readonly engine: Engine;
  readonly model: ManifestDigest;
}

/** What every Engine does, wherever the model runs. Each part opens an engine of its own. */
export function engineContract(t: Test, open: () => Promise<EngineUnderTest>): void {
  t.test("answers greedily, with events in order", async (t) => {
    await using tested = await open();
    const { events, text } = await collect(tested, {});
    t.equal(text, ANSWER);
    const types = events.map((event) => event.type);
    const started = types.indexOf("started");
    t.ok(started >= 0, "started");
    t.notOk(types.slice(started + 1).includes("started"), "started once");
    t.ok(types.indexOf("text") > started, "text after started");
    t.equal(types.indexOf("end"), types.length - 1, "end comes last");
    const end = ending(events);
    t.equal(end.reason, "stop");
    t.ok(end.promptTokens > 0);
    t.equal(end.tokens, sum(textTokens(events)), "the tokens of the texts are those of the end");
  });

  t.test("the same seed gives the same answer, another seed another one", async (t) => {
    await using tested = await open();
    const story = (seed: number) =>
      collect(tested, {
        input: user("tell me a story"),
        sampling: { temperature: 1.5, topK: 0, topP: 1, seed },
        maxTokens: 60,
      });
    const [first, again, other] = [await story(7), await story(7), await story(8)];
    t.equal(first.text, again.text);
    t.not(first.text, other.text);
  });

  t.test("a stop word ends the answer and is not sent", async (t) => {
    await using tested = await open();
    const { events, text } = await collect(tested, { stop: ["blue light"] });
    t.equal(text, ANSWER.slice(0, ANSWER.indexOf("blue light")));
    t.equal(ending(events).reason, "stop");
  });

  t.test("maxTokens ends the answer with length", async (t) => {
    await using tested = await open();
    const { events, text } = await collect(tested, { maxTokens: 5 });
    t.ok(text.length > 0 && ANSWER.startsWith(text), text);
    t.match(ending(events), { reason: "length", tokens: 5 });
  });

  t.test("continues an answer that another one began", async (t) => {
    await using tested = await open();
    const begun = await collect(tested, { maxTokens: 6 });
    const resume = { text: begun.text, tokens: 6 };
    const { events, text } = await collect(tested, { resume });
    t.equal(begun.text + text, ANSWER, "nothing is missing or sent twice");
    const whole = ending((await collect(tested, {})).events);
    t.equal(ending(events).tokens, whole.tokens, "each token is counted once");
  });

  t.test("leaving the iteration, or aborting, frees the slot", async (t) => {
    await using tested = await open();
    const rounds = 3 * tested.engine.status().slots;
    for (let round = 0; round < rounds; round++) {
      for await (const event of generate(tested, ENDLESS)) if (event.type === "text") break;
    }
    for (let round = 0; round < rounds; round++) {
      const abort = new AbortController();
      await t.rejects(async () => {
        for await (const event of generate(tested, ENDLESS, abort.signal)) {
          if (event.type === "text") abort.abort();
        }
      }, `aborting rejects, round ${round}`);
    }
    t.equal((await collect(tested, {})).text, ANSWER);
    t.match(tested.engine.status(), { running: 0, queued: 0 });
  });

  t.test("requests at once get the answers they get alone", async (t) => {
    await using tested = await open();
    const questions = [
      "why is the sky blue?",
      "what is seven plus eight?",
      "who are you?",
      "What is a replica?",
    ];
    const alone: string[] = [];
    for (const question of questions) {
      alone.push((await collect(tested, { input: user(question) })).text);
    }
    const together = await Promise.all(
      questions.map(async (question) => (await collect(tested, { input: user(question) })).text),
    );
    t.same(together, alone);
  });

  t.test("an unknown model is not here", async (t) => {
    await using tested = await open();
    const unknown = manifestDigestOf(Buffer.from("no such model"));
    const gone = { name: "InferenceError", code: "MODEL_NOT_HERE" };
    await t.rejects(collect(tested, { model: unknown }), gone);
    const request = { requestId: "r", model: unknown, runner: {} };
    await t.rejects(tested.engine.load(request, waiting()), gone);
    await t.rejects(tested.engine.embed({ ...request, inputs: ["a"] }, waiting()), gone);
  });

  t.test("embeds in the order of the inputs", async (t) => {
    await using tested = await open();
    const embed = (inputs: readonly string[]) =>
      tested.engine.embed({ requestId: "e", model: tested.model, inputs, runner: {} }, waiting());
    const inputs = ["the sky is blue", "a replica", "seven plus eight"];
    const together = await embed(inputs);
    t.equal(together.vectors.length, inputs.length);
    t.ok(together.promptTokens >= inputs.length);
    for (const [index, input] of inputs.entries()) {
      const alone = await embed([input]);
      const vector = together.vectors[index] ?? [];
      t.ok(vector.length > 0, input);
      t.ok(cosine(vector, alone.vectors[0] ?? []) > 0.999, `${input}, as alone`);
    }
    t.ok(cosine(together.vectors[0] ?? [], together.vectors[1] ?? []) < 0.999, "they differ");
  });

  t.test("text to tokens and back", async (t) => {
    await using tested = await open();
    const { engine, model } = tested;
    const convert = (of: TokensRequest["of"]) =>
      engine.tokens({ requestId: "t", model, runner: {}, of }, waiting());
    const tokensOf = async (text: string, add: boolean, parse: boolean) =>
      (await convert({ kind: "text", text, addSpecial: add, parseSpecial: parse })).tokens;
    const texts = ["", "the sky is blue", " two  spaces ", "naïve 日本 🙂", "line\nline"];
    for (const text of texts) {
      const tokens = await tokensOf(text, false, true);
      t.equal((await convert({ kind: "tokens", tokens })).text, text);
      t.equal(tokens.length === 0, text === "", "no token is added");
    }
    const plain = await tokensOf("<|im_start|>", false, false);
    const special = await tokensOf("<|im_start|>", false, true);
    t.ok(plain.length >= special.length);
    const prompt = await tokensOf("the sky", true, true);
    t.same(prompt.slice(-2), (await tokensOf("the sky", false, true)).slice(-2));
    for (const stranger of [-1, 1e9, 0.5]) {
      await t.rejects(convert({ kind: "tokens", tokens: [stranger] }), {
        code: /^(INVALID_REQUEST|UNSUPPORTED)$/,
      });
    }
  });

  t.test("loads, tells what is loaded, unloads", async (t) => {
    await using tested = await open();
    const { engine, model } = tested;
    t.same(engine.status().loaded, []);
    const request = { requestId: "l", model, runner: {}, keepAliveMs: Number.POSITIVE_INFINITY };
    await engine.load(request, waiting());
    const [loaded] = engine.status().loaded;
    t.equal(loaded?.model, model);
    t.equal(loaded?.expiresInMs, Number.POSITIVE_INFINITY);
    t.ok((loaded?.sizeBytes ?? 0) > 0);
    t.equal(loaded?.contextLength, 1024);
    await engine.unload(model, waiting());
    t.same(engine.status().loaded, []);
    await engine.unload(model, waiting());
    t.pass("unloading what is not loaded does nothing");
  });

  t.test("a request that nobody may make is refused", async (t) => {
    await using tested = await open();
    await t.rejects(collect(tested, { format: { type: "banana" } }), {
      code: "INVALID_OPTION",
      message: /^invalid format: .*; expected "json" or a valid JSON Schema object$/,
    });
    const error = await collect(tested, {
      input: user("why ".repeat(3_000)),
      truncate: false,
    }).catch((error: unknown) => error);
    t.ok(error instanceof InferenceError);
    t.match(error, { code: "INVALID_REQUEST" });
  });
}

const QUESTION = "why is the sky blue?";
const ANSWER = "The sky is blue because air scatters blue light from the sun more than red light.";
/** A story that goes on and on: nobody could mistake its end for a cancellation. */
const ENDLESS: Partial<GenerateRequest> = {
  input: user("tell me a story"),
  sampling: { temperature: 1.5, seed: 1 },
  format: { type: "array", minItems: 30, items: { type: "string", minLength: 100 } },
  maxTokens: 5_000,
};

export function user(content: string): GenerateRequest["input"] {
  return { kind: "messages", messages: [{ role: "user", content }] };
}

export function waiting(signal = new AbortController().signal): { readonly signal: AbortSignal } {
  return { signal };
}

let requests = 0;

/** Greedy and about the sky, unless `changes` say otherwise. */
export function generate(
  { engine, model }: Pick<EngineUnderTest, "engine" | "model">,
  changes: Partial<GenerateRequest>,
  signal?: AbortSignal,
): AsyncIterable<GenerateEvent> {
  return engine.generate(
    {
      requestId: `contract-${requests++}`,
      model,
      input: user(QUESTION),
      runner: {},
      sampling: { temperature: 0 },
      ...changes,
    },
    waiting(signal),
  );
}

export async function collect(
  tested: Pick<EngineUnderTest, "engine" | "model">,
  changes: Partial<GenerateRequest>,
  signal?: AbortSignal,
): Promise<{ readonly events: readonly GenerateEvent[]; readonly text: string }> {
  const events: GenerateEvent[] = [];
  for await (const event of generate(tested, changes, signal)) events.push(event);
  const text = events.map((event) => (event.type === "text" ? event.text : "")).join("");
  return { events, text };
}

export function ending(events: readonly GenerateEvent[]): GenerateEvent & { type: "end" } {
  const end = events.at(-1);
  if (end?.type !== "end") throw new Error("the events do not finish with an end");
  return end;
}

function textTokens(events: readonly GenerateEvent[]): number[] {
  return events.map((event) => (event.type === "text" ? event.tokens : 0));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function cosine(a: readonly number[], b: readonly number[]): number {
  const dot = (x: readonly number[], y: readonly number[]): number =>
    sum(x.map((value, index) => value * (y[index] ?? 0)));
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}
