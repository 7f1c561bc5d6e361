import { Ollama } from "ollama";
import OpenAI, { toFile } from "openai";
import t from "tap";
import { TestCluster, until } from "../fixtures/cluster.ts";
import { createHearing } from "../fixtures/create-multimodal.ts";
import { tone, wav } from "../fixtures/sounds.ts";
import { failureOf, sameOf } from "./official-client.ts";

const MODEL = "hearing";
const STORY = "tell me a story";
const LOW = tone(440);
const HIGH = tone(2_000);
const GREEDY = { temperature: 0, num_predict: 12 };

t.test("sounds, at the model's node and at another", async (t) => {
  await using cluster = await TestCluster.open();
  const daemons = ["a", "b"].map((name) => cluster.start(name));
  const [a, b] = await Promise.all(daemons.map((daemon) => daemon.ready()));
  if (!a || !b) throw new Error("two were started");
  await createHearing(a.apiUrl, MODEL);
  await until(`${b.apiUrl}/api/tags`, ({ models }) => Object(models).length === 1);
  const urls = [a.apiUrl, b.apiUrl] as const;
  let low = "";

  await t.test("ollama", async (t) => {
    const clients = [new Ollama({ host: urls[0] }), new Ollama({ host: urls[1] })] as const;
    const chat = (images: string[]) =>
      sameOf(t, clients, "chat", (client) =>
        client.chat({
          model: MODEL,
          messages: [{ role: "user", content: STORY, images }],
          options: GREEDY,
        }),
      );
    low = (await chat([LOW])).message.content;
    t.not(low, (await chat([HIGH])).message.content, "the answer depends on the sound");
    const generated = await sameOf(t, clients, "generate with bytes", (client) =>
      client.generate({
        ...{ model: MODEL, prompt: STORY, options: GREEDY },
        images: [Buffer.from(LOW, "base64")],
      }),
    );
    t.equal(generated.response, low);
    const shown = await sameOf(t, clients, "show", (client) => client.show({ model: MODEL }));
    t.match(shown, {
      capabilities: ["completion", "audio"],
      projector_info: { "clip.has_audio_encoder": true },
    });
    for (const client of clients) {
      const messages = [{ role: "user", content: STORY, images: ["aGk="] }];
      const failure = await failureOf(client.chat({ model: MODEL, messages }));
      t.match(failure, { status_code: 400, error: /missing data required for image input/ });
    }
  });

  await t.test("openai", async (t) => {
    const client = (url: string) => new OpenAI({ baseURL: `${url}/v1`, apiKey: "none" });
    const clients = [client(urls[0]), client(urls[1])] as const;
    const completion = await sameOf(t, clients, "chat.completions", (openai) =>
      openai.chat.completions.create({
        model: MODEL,
        temperature: 0,
        max_tokens: 12,
        messages: [
          {
            role: "user",
            content: [
              { type: "text", text: STORY },
              { type: "input_audio", input_audio: { data: LOW, format: "wav" } },
            ],
          },
        ],
      }),
    );
    t.equal(completion.choices[0]?.message.content, low);

    const recording = (base64: string) => toFile(Buffer.from(base64, "base64"), "recording.wav");
    const transcribe = (base64: string) =>
      sameOf(t, clients, "audio.transcriptions", async (openai) =>
        openai.audio.transcriptions.create({
          ...{ model: MODEL, file: await recording(base64), language: "en" },
        }),
      );
    const [heard, other] = [await transcribe(LOW), await transcribe(HIGH)];
    t.ok(heard.text, "the model says something");
    t.not(heard.text, other.text, "the transcript depends on the sound");
    // By way of the other node.
    const [, openai] = clients;
    const file = await recording(LOW);
    const asked = { model: MODEL, file, language: "en" } as const;
    const text = await openai.audio.transcriptions.create({ ...asked, response_format: "text" });
    t.equal(text, heard.text);
    const stream = await openai.audio.transcriptions.create({ ...asked, stream: true });
    const events = await Array.fromAsync(stream);
    const deltas = events.map((event) => ("delta" in event ? event.delta : ""));
    t.equal(deltas.join("").trim(), heard.text);
    t.match(events.at(-1), { type: "transcript.text.done", text: heard.text });
    const refused = openai.audio.transcriptions.create({ ...asked, file: await recording("") });
    t.match(await failureOf(refused), { status: 400, message: /audio file is empty/ });
    // As large as a recording may be, and longer than this model can take in.
    const long = await toFile(wav(Buffer.alloc(25 * 1_024 ** 2 - 44)), "long.wav");
    const tooLong = openai.audio.transcriptions.create({ ...asked, file: long });
    const failure = await failureOf(tooLong);
    t.match(failure, { status: 400, message: /longer than the context length/ });
  });
});
