import t from "tap";
import { DEMO_ANSWERS, demoModel } from "../../test/fixtures/demo-model.ts";
import { type TestEngine, testEngine } from "../../test/fixtures/test-engine.ts";
import type { GenerateEvent, GenerateRequest, Message, TokenLogprob } from "../core/inference.ts";
import { collect, ending, user, waiting } from "./engine.contract.ts";

const SKY = "why is the sky blue?";

function started(events: readonly GenerateEvent[]): GenerateEvent & { type: "started" } {
  const event = events.find((event) => event.type === "started");
  if (event?.type !== "started") throw new Error("not started");
  return event;
}

t.test("one engine, many requests", async (t) => {
  await using tested = await testEngine();

  await t.test("knows what its corpus taught it", async (t) => {
    for (const [question, answer] of Object.entries(DEMO_ANSWERS)) {
      t.equal((await collect(tested, { input: user(question) })).text, answer, question);
    }
  });

  await t.test("a conversation's next turn evaluates only what is new", async (t) => {
    const first: readonly Message[] = [{ role: "user", content: SKY }];
    const one = await collect(tested, { input: { kind: "messages", messages: first } });
    const messages: readonly Message[] = [
      ...first,
      { role: "assistant", content: one.text },
      { role: "user", content: "who are you?" },
    ];
    const two = await collect(tested, { input: { kind: "messages", messages } });
    const { promptTokens, cachedTokens } = started(two.events);
    const known = ending(one.events).promptTokens + ending(one.events).tokens;
    t.ok(cachedTokens >= known - 1 && cachedTokens < promptTokens, `${cachedTokens} of ${known}`);
    await using fresh = await testEngine();
    const alone = await collect(fresh, { input: { kind: "messages", messages } });
    t.equal(started(alone.events).cachedTokens, 0);
    t.equal(two.text, alone.text, "the same answer as without the cache");
  });

  await t.test("reading a long prompt it tells before each piece that it is at work", async (t) => {
    const typesOf = async (content: string): Promise<readonly string[]> => {
      const { events } = await collect(tested, { input: user(content), maxTokens: 1 });
      return events.map(({ type }) => type);
    };
    t.same(await typesOf(SKY), ["started", "text", "end"]);
    const long = await typesOf(`${SKY} `.repeat(100));
    t.same(long, ["started", "loading", "loading", "text", "end"]);
  });

  await t.test("continues a greedy answer from any of its tokens", async (t) => {
    const whole = await collect(tested, {});
    const tokens = ending(whole.events).tokens;
    for (let count = 1; count < tokens; count++) {
      const begun = await collect(tested, { maxTokens: count });
      const resume = { text: begun.text, tokens: count };
      const rest = await collect(tested, { resume });
      t.equal(begun.text + rest.text, whole.text, `from token ${count}`);
      t.equal(ending(rest.events).tokens, tokens, `from token ${count}, counted once`);
      t.equal(ending(rest.events).promptTokens, ending(whole.events).promptTokens);
    }
  });

  await t.test("maxTokens counts the tokens that were sent before", async (t) => {
    const begun = await collect(tested, { maxTokens: 4 });
    const resume = { text: begun.text, tokens: 4 };
    const rest = await collect(tested, { resume, maxTokens: 6 });
    t.match(ending(rest.events), { reason: "length", tokens: 6 });
    const none = await collect(tested, { resume, maxTokens: 4 });
    t.match(ending(none.events), { reason: "length", tokens: 4 });
    t.equal(none.text, "");
  });

  await t.test("a stop word over several tokens, also when resumed in front of it", async (t) => {
    const stop = ["from the sun more"];
    const expected = DEMO_ANSWERS[SKY].slice(0, DEMO_ANSWERS[SKY].indexOf("from the sun"));
    t.equal((await collect(tested, { stop })).text, expected);
    const resume = { text: "The sky is blue because", tokens: 5 };
    t.equal(resume.text + (await collect(tested, { stop, resume })).text, expected);
  });

  await t.test("JSON, whole and resumed", async (t) => {
    const format = {
      type: "object",
      properties: { color: { enum: ["blue", "red"] }, n: { type: "integer" } },
      required: ["color", "n"],
    };
    const request = { format, sampling: { temperature: 0 } };
    const whole = await collect(tested, request);
    t.match(JSON.parse(whole.text), { color: /blue|red/, n: Number });
    t.equal(ending(whole.events).reason, "stop");
    const begun = await collect(tested, { ...request, maxTokens: 6 });
    const resume = { text: begun.text, tokens: 6 };
    const rest = await collect(tested, { ...request, resume });
    t.match(JSON.parse(begun.text + rest.text), { color: /blue|red/, n: Number });
    const integers = { type: "array", minItems: 20, maxItems: 20, items: { type: "integer" } };
    const numbers = { format: integers, sampling: { temperature: 2, topK: 0, topP: 1, seed: 3 } };
    t.notMatch((await collect(tested, numbers)).text, /[e.]/i, "integers as decoders expect them");
    const json = await collect(tested, { format: "json", maxTokens: 200 });
    t.ok(json.text.startsWith("{"), json.text);
    await t.rejects(collect(tested, { ...request, resume: { text: "[oops", tokens: 1 } }), {
      code: "INVALID_REQUEST",
    });
  });

  await t.test("goes on from the words that a conversation ends with", async (t) => {
    const content = "The sky is blue because";
    const messages: readonly Message[] = [
      { role: "user", content: SKY },
      { role: "assistant", content },
    ];
    const input = { kind: "messages", messages } as const;
    t.equal(content + (await collect(tested, { input })).text, DEMO_ANSWERS[SKY]);
    const format = { type: "object", properties: {} };
    const thinking = { ...input, think: true, template: "{{ .Prompt }}<think>{{ .Response }}" };
    const { events } = await collect(tested, { input: thinking, format, renderOnly: true });
    t.match(events[0], { prompt: `${SKY}<think>${content}` }, "which are no thinking");
    const template = "{{ .Prompt }}<|channel|>final<|message|>{{ .Response }}";
    const harmony = await collect(tested, { input: { ...input, template }, maxTokens: 2 });
    t.same(started(harmony.events).output, {}, "a message that has begun names no channel");
    const fresh = { kind: "messages", messages: messages.slice(0, 1), template } as const;
    const other = await collect(tested, { input: fresh, maxTokens: 2 });
    t.same(started(other.events).output, { calls: "harmony" });
  });

  await t.test("log probabilities", async (t) => {
    const { events, text } = await collect(tested, { logprobs: { top: 3 } });
    const logprobs = events.flatMap((event) =>
      event.type === "text" ? (event.logprobs ?? []) : [],
    );
    t.equal(logprobs.length, ending(events).tokens);
    t.equal(logprobs.map(({ token }) => token).join(""), text);
    for (const { token, logprob, bytes, top = [] } of logprobs) {
      t.ok(logprob <= 0, token);
      t.equal(Buffer.from(bytes).toString(), token);
      t.equal(top.length, 3);
      t.equal(top[0]?.token, token, "greedy takes the likeliest");
      t.ok((top[0]?.logprob ?? 0) >= (top[1]?.logprob ?? 0) && top[1] && top[2]);
    }
    const bare = await collect(tested, { logprobs: { top: 0 }, maxTokens: 1 });
    const [event] = bare.events.filter((event) => event.type === "text");
    t.ok(event?.type === "text" && event.logprobs?.[0] && !event.logprobs[0].top);
  });

  await t.test("log probabilities are the model's own, whatever the sampling", async (t) => {
    const first = async (changes: Partial<GenerateRequest>): Promise<readonly TokenLogprob[]> => {
      const { events } = await collect(tested, { logprobs: { top: 20 }, maxTokens: 1, ...changes });
      const [event] = events.filter((event) => event.type === "text");
      return event?.type === "text" ? (event.logprobs?.[0]?.top ?? []) : [];
    };
    const greedy = await first({});
    t.equal(greedy.length, 20);
    const sum = greedy.reduce((sum, { logprob }) => sum + Math.exp(logprob), 0);
    t.ok(sum > 0.9 && sum <= 1.0001, `${sum}`);
    t.ok((greedy[0]?.logprob ?? 0) < 0, "no token is certain");
    const samplings = [
      { seed: 1 },
      { seed: 2, temperature: 1.5, topK: 2 },
      { temperature: 0, repeatPenalty: 2, repeatLastN: -1 },
    ];
    for (const sampling of samplings) t.same(await first({ sampling }), greedy);
    t.same(await first({ format: "json" }), greedy);
  });

  await t.test("asking for log probabilities does not change the answer", async (t) => {
    const hot = { temperature: 1.5, topK: 0, topP: 1 };
    for (const seed of [1, 2, 3]) {
      const sampling = { ...hot, seed, repeatPenalty: 1.2 };
      const format = seed === 3 ? { type: "string", minLength: 40 } : undefined;
      const request = { input: user("tell me a story"), sampling, maxTokens: 50 };
      const wanted = { ...request, ...(format && { format }) };
      const plain = await collect(tested, wanted);
      const { events, text } = await collect(tested, { ...wanted, logprobs: { top: 2 } });
      t.equal(text, plain.text, `seed ${seed}`);
      t.equal(ending(events).tokens, ending(plain.events).tokens);
    }
  });

  await t.test("typical_p", async (t) => {
    const told = { input: user("tell me a story"), maxTokens: 30 };
    const cold = (typicalP: number) => ({ ...told, sampling: { temperature: 0, typicalP } });
    const hot = { temperature: 1.5, seed: 1 };
    const story = (typicalP: number, more: Partial<GenerateRequest> = {}) =>
      collect(tested, { ...told, sampling: { ...hot, typicalP }, ...more });
    const greedy = (await collect(tested, told)).text;
    t.equal((await collect(tested, cold(1))).text, greedy);
    const surprising = await collect(tested, cold(0));
    t.not(surprising.text, greedy, "the likeliest token is not always the most typical one");
    t.equal((await story(0)).text, surprising.text, "one token is left, however hot");
    const plain = await story(0.9);
    t.equal((await story(0.9)).text, plain.text, "the same seed gives the same answer");
    const { events, text } = await story(0.9, { logprobs: { top: 2 } });
    t.equal(text, plain.text);
    const logprobs = events.flatMap((event) =>
      event.type === "text" ? (event.logprobs ?? []) : [],
    );
    t.equal(logprobs.map(({ token }) => token).join(""), text);
    t.ok(logprobs.every(({ logprob }) => logprob <= 0 && logprob > -20));
    const [first] = (await collect(tested, { ...told, logprobs: { top: 2 } })).events.flatMap(
      (event) => (event.type === "text" ? (event.logprobs ?? []) : []),
    );
    t.same(logprobs[0]?.top, first?.top, "the model's own");
    const sky = await collect(tested, { sampling: { temperature: 0, typicalP: 0.9 } });
    t.equal(sky.text, DEMO_ANSWERS[SKY], "to its end");
    const format = { type: "array", items: { type: "integer" }, minItems: 3, maxItems: 3 };
    const numbers = await story(0.7, { format, maxTokens: 200 });
    t.match(JSON.parse(numbers.text), [Number, Number, Number]);
    const begun = await story(0.7, { format, maxTokens: 3 });
    const resume = { text: begun.text, tokens: 3 };
    const rest = await story(0.7, { format, resume, maxTokens: 200 });
    t.match(JSON.parse(begun.text + rest.text), [Number, Number, Number]);
    const penalised = { temperature: 0, typicalP: 0.999, repeatPenalty: 1.5, repeatLastN: -1 };
    const plainly = { ...penalised, typicalP: 1 };
    t.equal(
      (await collect(tested, { ...told, sampling: penalised })).text,
      (await collect(tested, { ...told, sampling: plainly })).text,
      "penalties count",
    );
  });

  await t.test("tokens that are parts of a character have its bytes", async (t) => {
    const { events, text } = await collect(tested, {
      format: { const: "é😀" },
      logprobs: { top: 2 },
    });
    t.equal(text, '"é😀"');
    const bytes = events.flatMap((event) =>
      event.type === "text" ? (event.logprobs ?? []).flatMap(({ bytes }) => bytes) : [],
    );
    t.same(bytes, [...Buffer.from(text)]);
  });

  await t.test("penalties keep it from repeating itself", async (t) => {
    const request = { input: user("tell me a story"), maxTokens: 80 };
    const plain = await collect(tested, request);
    const sampling = { temperature: 0, repeatPenalty: 1.8, presencePenalty: 1, repeatLastN: -1 };
    t.not((await collect(tested, { ...request, sampling })).text, plain.text);
    const off = { ...sampling, repeatLastN: 0 };
    t.equal((await collect(tested, { ...request, sampling: off })).text, plain.text);
  });

  await t.test("a raw prompt, a rendered one, a context", async (t) => {
    const { events } = await collect(tested, { renderOnly: true });
    const rendered = events.find((event) => event.type === "rendered");
    const prompt = rendered?.type === "rendered" ? rendered.prompt : "";
    t.equal(prompt, `<|user|>${SKY}<|end|><|assistant|>`);
    t.equal(events.at(-1)?.type, "end");
    const raw = await collect(tested, { input: { kind: "prompt", prompt }, returnContext: true });
    t.equal(raw.text, DEMO_ANSWERS[SKY]);
    const { context = [], promptTokens, tokens } = ending(raw.events);
    t.equal(context.length, promptTokens + tokens);
    const whole = await collect(tested, { returnContext: true, maxTokens: 9 });
    const cut = await collect(tested, { returnContext: true, stop: ["cause air"] });
    t.equal(cut.text, "The sky is blue be");
    const { text: kept } = await tested.engine.tokens(
      {
        ...{ requestId: "c", model: tested.model, runner: {} },
        of: { kind: "tokens", tokens: ending(cut.events).context ?? [] },
      },
      waiting(),
    );
    t.equal(kept, `<s>${prompt}${cut.text}`, "the stop word is no part of the context");
    const known = ending(whole.events).promptTokens + 4;
    t.same(
      ending(cut.events).context?.slice(0, known),
      ending(whole.events).context?.slice(0, known),
      "which has the answer's own tokens",
    );
    const messages: readonly Message[] = [{ role: "user", content: "who are you?" }];
    const next = await collect(tested, { input: { kind: "messages", messages, context } });
    t.ok(ending(next.events).promptTokens > context.length, "the context is part of the prompt");
    await t.rejects(collect(tested, { input: { kind: "prompt", prompt: "a", suffix: "b" } }), {
      code: "INVALID_REQUEST",
    });
    const input = { kind: "messages" as const, messages, template: "<{{ .Prompt }}>" };
    const shown = await collect(tested, { input, renderOnly: true });
    t.match(shown.events, [{ type: "rendered", prompt: `<${messages[0]?.content}>` }]);
    await t.rejects(collect(tested, { input: { ...input, template: "{{ index .Prompt 999 }}" } }), {
      code: "INVALID_REQUEST",
    });
    const infill = { kind: "prompt", prompt: "a", suffix: "b", context } as const;
    const between = { ...infill, template: "<{{ .Prompt }}|{{ .Suffix }}>" };
    const filled = await collect(tested, { input: between, renderOnly: true });
    t.match(filled.events[0], { prompt: `${prompt}${raw.text}<a|b>` });
    await t.rejects(collect(tested, { input: { ...infill, template: "{{ index .Prompt 9 }}" } }), {
      code: "INVALID_REQUEST",
    });
    await t.rejects(collect(tested, { input: { kind: "prompt", prompt: "a", images: ["aGk="] } }), {
      code: "UNSUPPORTED",
    });
    const picture: Message = { role: "user", content: "what is this?", images: ["aGk="] };
    await t.rejects(collect(tested, { input: { kind: "messages", messages: [picture] } }), {
      code: "UNSUPPORTED",
    });
  });
});

t.test("the model's own layers", async (t) => {
  const model = demoModel("layers", {
    parameters: { temperature: 0, stop: ["more than"], num_ctx: 512 },
    messages: [
      { role: "user", content: "who are you?" },
      { role: "assistant", content: "a model" },
    ],
  });
  await using tested = await testEngine({}, { models: [model] });
  const { text, events } = await collect(tested, { sampling: {} });
  t.notMatch(text, "more than");
  t.equal(ending(events).reason, "stop");
  t.equal(tested.engine.status().loaded[0]?.contextLength, 512);
  const rendered = (await collect(tested, { renderOnly: true })).events[0];
  t.match(rendered, {
    type: "rendered",
    prompt: `<|user|>who are you?<|end|><|assistant|>a model<|end|><|user|>${SKY}<|end|>`,
  });
});

t.test("deepseek-r1 does not see again what it thought", async (t) => {
  await using tested = await testEngine({}, { models: [demoModel("deepseek-r1")] });
  const messages: readonly Message[] = [
    { role: "user", content: "hi" },
    { role: "assistant", content: "<think>hm</think>hello" },
    { role: "user", content: SKY },
  ];
  const input = { kind: "messages", messages } as const;
  const { events } = await collect(tested, { input, renderOnly: true });
  t.match(
    events.find(({ type }) => type === "rendered"),
    { prompt: `<|user|>hi<|end|><|assistant|>hello<|end|><|user|>${SKY}<|end|><|assistant|>` },
  );
});

async function small(): Promise<TestEngine> {
  return await testEngine({ contextLength: 128 });
}

t.test("a conversation that is too long", async (t) => {
  await using tested = await small();
  const turn = (content: string): Message => ({ role: "user", content });
  const old = Array.from({ length: 40 }, () => turn("what is the capital of Norway?"));
  const long = { kind: "messages", messages: [...old, turn(SKY)] } as const;
  const fits = await collect(tested, { input: long });
  t.ok(ending(fits.events).promptTokens < 128);
  for (const changes of [{}, { truncate: false }, { shift: false }]) {
    const { events } = await collect(tested, { input: long, renderOnly: true, ...changes });
    const [shown] = events;
    const prompt = shown?.type === "rendered" ? shown.prompt : "";
    t.equal(prompt.match(/Norway/g)?.length, 40, "what is only shown is shown whole");
    t.ok(ending(events).promptTokens > 300, "and counted whole");
  }
  const tooLong = { code: "INVALID_REQUEST", message: /^the prompt is longer than the context/ };
  await t.rejects(collect(tested, { input: long, truncate: false }), tooLong);
  const word = user("sky ".repeat(500));
  t.equal(ending((await collect(tested, { input: word })).events).promptTokens, 127, "cut");
  await t.rejects(collect(tested, { input: word, shift: false }), tooLong);
});

t.test("a window that is full", async (t) => {
  await using tested = await small();
  const endless = {
    format: { type: "array", minItems: 30, items: { type: "string", minLength: 50 } },
    maxTokens: 300,
  };
  const shifted = await collect(tested, endless);
  t.match(ending(shifted.events), { reason: "length", tokens: 300 });
  const stopped = await collect(tested, { ...endless, shift: false });
  const { reason, tokens, promptTokens } = ending(stopped.events);
  t.equal(reason, "length");
  t.ok(promptTokens + tokens >= 127 && promptTokens + tokens <= 128, `${promptTokens}+${tokens}`);
  t.equal((await collect(tested, {})).text, DEMO_ANSWERS[SKY], "the sequence is as good as new");
});

t.test("embeddings", async (t) => {
  await using tested = await testEngine();
  const embed = (inputs: readonly string[], truncate = true) =>
    tested.engine.embed(
      { requestId: "e", model: tested.model, inputs, runner: {}, truncate },
      waiting(),
    );
  const long = "sky ".repeat(3_000);
  await t.rejects(embed(["sky", long], false), {
    code: "INVALID_REQUEST",
    message: "the input length exceeds the context length",
  });
  const { vectors, promptTokens } = await embed(["sky", long, ""]);
  t.same(
    vectors.map((vector) => vector.length),
    [128, 128, 128],
  );
  t.ok(promptTokens > 1_000 && promptTokens < 1_100, `${promptTokens}`);
  t.same((await embed([])).vectors, []);
});
