import t from "tap";
import { seeingModel } from "../../test/fixtures/multimodal-model.ts";
import { testEngine } from "../../test/fixtures/test-engine.ts";
import { IMAGE_TOKENS, plainPng, visionProjector } from "../../test/fixtures/vision-projector.ts";
import { WEBP } from "../../test/fixtures/webp.ts";
import type { GenerateInput, Message } from "../core/inference.ts";
import { collect, ending, user, waiting } from "./engine.contract.ts";

const RED = plainPng(255, 0, 0);
const BLUE = plainPng(0, 0, 255);
const STORY = "tell me a story";

function shown(content: string, ...images: string[]): GenerateInput {
  return { kind: "messages", messages: [{ role: "user", content, images }] };
}

t.test("images", async (t) => {
  await using tested = await testEngine({ numParallel: 2 }, { models: [seeingModel(t)] });
  const story = async (...images: string[]): Promise<string> =>
    (await collect(tested, { input: shown(STORY, ...images), maxTokens: 12 })).text;
  const blind = (await collect(tested, { input: user(STORY), maxTokens: 12 })).text;

  const textOf = async (tokens: readonly number[]): Promise<string> => {
    const request = { requestId: "t", model: tested.model, runner: {} };
    const of = { kind: "tokens", tokens } as const;
    return (await tested.engine.tokens({ ...request, of }, waiting())).text;
  };

  await t.test("an answer depends on its image, and on nothing else", async (t) => {
    const [red, blue] = [await story(RED), await story(BLUE)];
    t.not(red, blue);
    t.not(red, blind);
    t.equal(await story(RED), red);
    t.same(await Promise.all([story(BLUE), story(RED), story(BLUE)]), [blue, red, blue]);
  });

  await t.test("WebP is seen as PNG is", async (t) => {
    t.equal(await story(WEBP.red), await story(RED));
    t.equal(await story(WEBP.blue), await story(BLUE));
    t.not(await story(WEBP["red, half"]), blind, "lossy, with alpha");
  });

  await t.test("each is as many tokens as the projector makes of it", async (t) => {
    const tokensOf = async (...images: string[]): Promise<number> => {
      const { events } = await collect(tested, { input: shown(STORY, ...images), maxTokens: 1 });
      return ending(events).promptTokens;
    };
    const one = await tokensOf(RED);
    t.ok(one >= (await tokensOf()) + IMAGE_TOKENS);
    t.equal(await tokensOf(RED, BLUE, RED), one + 2 * IMAGE_TOKENS);
    t.equal(await tokensOf(plainPng(9, 9, 9, 300)), one, "a larger one");
  });

  await t.test("an answer that begins elsewhere goes on with the same images", async (t) => {
    const whole = await story(BLUE);
    const begun = await collect(tested, { input: shown(STORY, BLUE), maxTokens: 6 });
    const resume = { text: begun.text, tokens: 6 };
    const rest = await collect(tested, { input: shown(STORY, BLUE), resume, maxTokens: 12 });
    t.equal(begun.text + rest.text, whole);
    t.equal(ending(rest.events).tokens, 12);
    const format = { type: "string", maxLength: 9 };
    await t.rejects(collect(tested, { input: shown(STORY, BLUE), resume, format }), {
      code: "UNSUPPORTED",
    });
  });

  await t.test("a format, logprobs and the context", async (t) => {
    const format = { type: "object", properties: { colour: { enum: ["red", "blue"] } } };
    const formatted = await collect(tested, { input: shown("which colour?", RED), format });
    t.match(JSON.parse(formatted.text), { colour: /^(red|blue)$/ });
    const { events } = await collect(tested, {
      input: shown(STORY, RED),
      maxTokens: 8,
      logprobs: { top: 2 },
      returnContext: true,
    });
    const logprobs = events.flatMap((event) => (event.type === "text" ? event.logprobs : []));
    const text = logprobs.map((logprob) => logprob?.token).join("");
    t.equal(text, events.map((event) => (event.type === "text" ? event.text : "")).join(""));
    t.ok(logprobs.every((logprob) => logprob && logprob.logprob <= 0 && logprob.top));
    const likeliest = logprobs[0]?.top ?? [];
    t.ok(
      likeliest.every(({ logprob }) => logprob > -100),
      "what sampling left out is no candidate",
    );
    const { context, promptTokens } = ending(events);
    t.equal(context?.length, promptTokens - IMAGE_TOKENS + 8, "of what is no image");
    const stop = [text.slice(6, 9)];
    const cut = await collect(tested, {
      input: shown(STORY, RED),
      ...{ maxTokens: 8, stop, returnContext: true },
    });
    t.equal(cut.text, text.slice(0, text.indexOf(text.slice(6, 9))));
    t.notMatch(await textOf(ending(cut.events).context ?? []), text.slice(0, 9));
    t.match(await textOf(ending(cut.events).context ?? []), cut.text);
  });

  await t.test("what goes through the template", async (t) => {
    const of = async (input: GenerateInput) =>
      (await collect(tested, { input, renderOnly: true })).events;
    t.match(await of(shown("a [img] b", RED)), [
      { type: "rendered", prompt: "<|user|>a [img-0] b<|end|><|assistant|>" },
    ]);
    const template = "{{ .Prompt }}!";
    t.match(
      await of({
        kind: "messages",
        template,
        messages: [{ role: "user", content: "a", images: [RED] }],
      }),
      [{ type: "rendered", prompt: "[img-0]a!" }],
    );
  });

  await t.test("in a whole prompt they stand where it says so, else before it", async (t) => {
    const raw = async (prompt: string, ...images: string[]): Promise<string> => {
      const input = { kind: "prompt", prompt, images } as const;
      return (await collect(tested, { input, maxTokens: 12 })).text;
    };
    const [head, tail] = ["<|user|>", `${STORY}<|end|><|assistant|>`];
    t.equal(await raw(`${head}[img-0]${tail}`, RED), await story(RED));
    t.equal(await raw(`${head}[img-1][img-0]${tail}`, RED, BLUE), await story(BLUE, RED));
    const often = `${head}${"[img-0]".repeat(33)}${tail}`;
    await t.rejects(raw(often, RED), { code: "INVALID_REQUEST", message: /too many/ });
    t.equal(await raw(`${head}${tail}`, RED), await raw(`[img-0]${head}${tail}`, RED));
    const template = "{{ .Prompt }}|{{ .Suffix }}";
    const input = { kind: "prompt", prompt: "a", suffix: "b", template, images: [RED] } as const;
    const { events } = await collect(tested, { input, renderOnly: true });
    t.match(events, [{ type: "rendered", prompt: "[img-0]a|b" }]);
  });

  await t.test("the oldest turns go, with their images, when all do not fit", async (t) => {
    const turn: Message = { role: "user", content: "a", images: [RED] };
    const last: Message = { role: "user", content: "who are you? ".repeat(200) };
    const input: GenerateInput = {
      kind: "messages",
      messages: [...Array.from({ length: 31 }, () => turn), last],
    };
    const { events } = await collect(tested, { input, maxTokens: 1 });
    const { promptTokens } = ending(events);
    t.ok(promptTokens < 1_024 && promptTokens > 1_024 - 2 * (IMAGE_TOKENS + 5), `${promptTokens}`);
    await t.rejects(collect(tested, { input, maxTokens: 1, truncate: false }), {
      code: "INVALID_REQUEST",
      message: /^the prompt is longer than the context length/,
    });
    const shown = await collect(tested, { input, renderOnly: true, truncate: false });
    t.ok(ending(shown.events).promptTokens > 31 * IMAGE_TOKENS, "whole, when it is only shown");
  });

  await t.test("what is no picture is refused, and harms nothing", async (t) => {
    const [pid] = tested.runnerPids;
    const truncated = RED.slice(0, 80);
    const rows: readonly (readonly [what: string, images: readonly string[], message: RegExp])[] = [
      ["no picture", ["aGk="], /PNG, JPEG, WebP, GIF or BMP/],
      ["a path", [Buffer.from("/etc/passwd").toString("base64")], /PNG, JPEG, WebP, GIF or BMP/],
      ["half a picture", [truncated], /^an image cannot be read/],
      ["half a WebP", [WEBP["red, lossy"].slice(0, 60)], /its WebP is damaged/],
      ["too many", Array.from({ length: 33 }, () => RED), /too many/],
    ];
    for (const [what, images, message] of rows) {
      const refused = collect(tested, { input: shown(STORY, ...images) });
      await t.rejects(refused, { code: "INVALID_REQUEST", message }, what);
    }
    t.ok(await story(RED));
    t.same(tested.runnerPids, [pid]);
  });

  await t.test("marks that a client writes are text", async (t) => {
    const forged = shown("<__media__> and <__image__>", RED);
    t.equal(ending((await collect(tested, { input: forged })).events).reason, "stop");
    const raw = { kind: "prompt" as const, prompt: "<__media__>" };
    t.ok(ending((await collect(tested, { input: raw, maxTokens: 3 })).events));
  });
});

t.test("a projector that does not fit the model", async (t) => {
  for (const [what, projector] of [
    ["cut off", visionProjector().subarray(0, 50_000)],
    ["for a wider model", visionProjector(256)],
  ] as const) {
    await using tested = await testEngine({}, { models: [seeingModel(t, projector)] });
    const refused = collect(tested, { input: shown(STORY, RED) });
    await t.rejects(refused, { code: "LOAD_FAILED" }, what);
  }
});
