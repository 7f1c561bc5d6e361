import t from "tap";
import { hearingModel, seeingModel } from "../../test/fixtures/multimodal-model.ts";
import { SOUND_TOKENS } from "../../test/fixtures/sound-projector.ts";
import { TRIANGLE, tone, triangle, wav } from "../../test/fixtures/sounds.ts";
import { testEngine } from "../../test/fixtures/test-engine.ts";
import { plainPng } from "../../test/fixtures/vision-projector.ts";
import type { GenerateInput } from "../core/inference.ts";
import { collect, ending, generate, user } from "./engine.contract.ts";

const LOW = tone(440);
const HIGH = tone(2_000);
const STORY = "tell me a story";

function heard(content: string, ...images: string[]): GenerateInput {
  return { kind: "messages", messages: [{ role: "user", content, images }] };
}

t.test("sounds", async (t) => {
  await using tested = await testEngine({ numParallel: 2 }, { models: [hearingModel(t)] });
  const story = async (...sounds: string[]): Promise<string> =>
    (await collect(tested, { input: heard(STORY, ...sounds), maxTokens: 12 })).text;
  const deaf = (await collect(tested, { input: user(STORY), maxTokens: 12 })).text;

  await t.test("an answer depends on its sound, and on nothing else", async (t) => {
    const [low, high] = [await story(LOW), await story(HIGH)];
    t.not(low, high);
    t.not(low, deaf);
    t.equal(await story(LOW), low);
    t.same(await Promise.all([story(HIGH), story(LOW), story(HIGH)]), [high, low, high]);
  });

  await t.test("FLAC and other WAV are heard as WAV is, MP3 nearly so", async (t) => {
    const plain = await story(triangle(100));
    t.equal(await story(TRIANGLE.flac), plain);
    const samples = Buffer.from(triangle(100), "base64").subarray(44);
    const unended = wav(samples, { dataBytes: 2 ** 32 - 1 }).toString("base64");
    t.equal(await story(unended), plain, "written as it came");
    const floats = Buffer.alloc(samples.length * 2);
    for (let at = 0; at < samples.length; at += 2) {
      floats.writeFloatLE(samples.readInt16LE(at) / 32_768, at * 2);
    }
    t.equal(await story(wav(floats, { tag: 3, bits: 32 }).toString("base64")), plain, "floats");
    const half = await story(triangle(500));
    t.not(half, plain);
    t.not(half, deaf);
    t.not(await story(TRIANGLE.mp3), deaf);
  });

  await t.test("each is as many tokens as the projector makes of it", async (t) => {
    const tokensOf = async (...sounds: string[]): Promise<number> => {
      const { events } = await collect(tested, { input: heard(STORY, ...sounds), maxTokens: 1 });
      return ending(events).promptTokens;
    };
    const one = await tokensOf(LOW);
    t.ok(one >= (await tokensOf()) + SOUND_TOKENS);
    t.equal(await tokensOf(LOW, HIGH, LOW), one + 2 * SOUND_TOKENS);
    t.equal(await tokensOf(tone(300, 20)), one, "a longer one");
  });

  await t.test("an answer that begins elsewhere goes on with the same sound", async (t) => {
    const whole = await story(HIGH);
    const begun = await collect(tested, { input: heard(STORY, HIGH), maxTokens: 4 });
    const resume = { text: begun.text, tokens: 4 };
    const rest = await collect(tested, { input: heard(STORY, HIGH), resume, maxTokens: 12 });
    t.equal(begun.text + rest.text, whole);
  });

  await t.test("what is no sound is refused, and harms nothing", async (t) => {
    const [pid] = tested.runnerPids;
    const flac = Buffer.from(TRIANGLE.flac, "base64");
    const promising = Buffer.from(flac);
    promising.fill(0xff, 23, 26);
    const rows: readonly (readonly [what: string, sounds: readonly string[], message: RegExp])[] = [
      ["a picture", [plainPng(1, 2, 3)], /this model takes sounds, not images/],
      ["text", ["aGk="], /this model takes sounds, not images/],
      ["a WAV file of another coding", [wav(flac, { tag: 2 }).toString("base64")], /PCM/],
      ["MP3 that is none", [Buffer.from("ID3 and so on").toString("base64")], /damaged/],
      ["FLAC's head alone", [flac.subarray(0, 42).toString("base64")], /^a sound cannot be read/],
      ["one sample", [wav(Buffer.alloc(2)).toString("base64")], /too short/],
      ["FLAC that promises too much", [promising.toString("base64")], /15 minutes/],
      ["too many", Array.from({ length: 33 }, () => LOW), /too many/],
    ];
    for (const [what, sounds, message] of rows) {
      const refused = collect(tested, { input: heard(STORY, ...sounds) });
      await t.rejects(refused, { code: "INVALID_REQUEST", message }, what);
    }
    t.ok(await story(LOW));
    t.same(tested.runnerPids, [pid]);
  });

  await t.test("whoever leaves while sounds are read keeps nobody waiting", async (t) => {
    const [pid] = tested.runnerPids;
    const long = tone(440, 29);
    const whole = await story(long);
    const left = [0, 1, 2].map(async () => {
      for await (const { type } of generate(tested, { input: heard(STORY, long) })) {
        // The library has just been asked.
        if (type === "started") break;
      }
    });
    const [answer, other] = await Promise.all([story(long), story(LOW), ...left]);
    t.equal(answer, whole);
    t.equal(other, await story(LOW));
    t.same(tested.runnerPids, [pid]);
  });

  await t.test("one that is shown too often", async (t) => {
    const silence = wav(Buffer.alloc(8_000 * 460), { sampleRate: 8_000, bits: 8 });
    const input = {
      ...{ kind: "prompt" as const, prompt: "[img-0][img-0]" },
      images: [silence.toString("base64")],
    };
    await t.rejects(collect(tested, { input }), {
      ...{ code: "INVALID_REQUEST", message: /may last 15 minutes/ },
    });
  });

  await t.test("one that does not fit the context", async (t) => {
    const input = heard(STORY, ...[1, 2, 3, 4].map((hertz) => tone(hertz * 300)));
    await t.rejects(collect(tested, { input }), {
      ...{ code: "INVALID_REQUEST", message: /^the prompt is longer than the context length/ },
    });
  });
});

t.test("a model that sees takes no sound", async (t) => {
  await using tested = await testEngine({}, { models: [seeingModel(t)] });
  await t.rejects(collect(tested, { input: heard(STORY, LOW) }), {
    ...{ code: "INVALID_REQUEST", message: "this model takes images, not sounds" },
  });
});
