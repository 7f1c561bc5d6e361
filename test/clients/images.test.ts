import Anthropic from "@anthropic-ai/sdk";
import { Ollama } from "ollama";
import OpenAI from "openai";
import t from "tap";
import { TestCluster, until } from "../fixtures/cluster.ts";
import { createSeeing } from "../fixtures/create-multimodal.ts";
import { plainPng } from "../fixtures/vision-projector.ts";
import { failureOf, sameOf } from "./official-client.ts";

const MODEL = "seeing";
const STORY = "tell me a story";
const RED = plainPng(255, 0, 0);
const BLUE = plainPng(0, 0, 255);
const GREEDY = { temperature: 0, num_predict: 12 };

t.test("images, at the model's node and at another", async (t) => {
  await using cluster = await TestCluster.open();
  const daemons = ["a", "b"].map((name) => cluster.start(name));
  const [a, b] = await Promise.all(daemons.map((daemon) => daemon.ready()));
  if (!a || !b) throw new Error("two were started");
  await createSeeing(a.apiUrl, MODEL);
  await until(`${b.apiUrl}/api/tags`, ({ models }) => Object(models).length === 1);
  const urls = [a.apiUrl, b.apiUrl] as const;
  /** What each client makes of a picture; the text must be the same from all. */
  const texts: Record<string, string> = {};

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
    const [red, blue] = [await chat([RED]), await chat([BLUE])];
    t.not(red.message.content, blue.message.content, "the answer depends on the image");
    texts["red"] = red.message.content;
    texts["blue"] = blue.message.content;
    const generated = await sameOf(t, clients, "generate", (client) =>
      client.generate({ model: MODEL, prompt: STORY, images: [RED], options: GREEDY }),
    );
    t.equal(generated.response, texts["red"]);
    const bytes = await sameOf(t, clients, "generate with bytes", (client) =>
      client.generate({
        model: MODEL,
        prompt: STORY,
        images: [Buffer.from(BLUE, "base64")],
        options: GREEDY,
      }),
    );
    t.equal(bytes.response, texts["blue"]);
    const streamed = [];
    for (const client of clients) {
      const stream = await client.chat({
        model: MODEL,
        messages: [{ role: "user", content: STORY, images: [RED] }],
        options: GREEDY,
        stream: true,
      });
      streamed.push((await Array.fromAsync(stream)).map(({ message }) => message.content).join(""));
    }
    t.same(streamed, [texts["red"], texts["red"]]);
    const shown = await sameOf(t, clients, "show", (client) => client.show({ model: MODEL }));
    t.match(shown, {
      capabilities: ["completion", "vision"],
      projector_info: { "general.architecture": "clip", "clip.has_vision_encoder": true },
    });
    for (const client of clients) {
      const messages = [{ role: "user", content: STORY, images: ["aGk="] }];
      const failure = await failureOf(client.chat({ model: MODEL, messages }));
      t.match(failure, { status_code: 400, error: /PNG, JPEG, WebP, GIF or BMP/ });
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
              { type: "image_url", image_url: { url: `data:image/png;base64,${BLUE}` } },
            ],
          },
        ],
      }),
    );
    t.equal(completion.choices[0]?.message.content, texts["blue"]);
    const response = await sameOf(t, clients, "responses", (openai) =>
      openai.responses.create({
        model: MODEL,
        temperature: 0,
        max_output_tokens: 12,
        input: [
          {
            role: "user",
            content: [
              { type: "input_text", text: STORY },
              {
                type: "input_image",
                detail: "auto",
                image_url: `data:image/png;base64,${RED}`,
              },
            ],
          },
        ],
      }),
    );
    t.equal(response.output_text, texts["red"]);
  });

  await t.test("anthropic", async (t) => {
    const ask = {
      model: MODEL,
      temperature: 0,
      max_tokens: 12,
      messages: [
        {
          role: "user" as const,
          content: [
            {
              type: "image" as const,
              source: { type: "base64" as const, media_type: "image/png" as const, data: RED },
            },
            { type: "text" as const, text: STORY },
          ],
        },
      ],
    };
    const client = (url: string) => new Anthropic({ baseURL: url, apiKey: "none" });
    const message = await sameOf(t, [client(urls[0]), client(urls[1])], "messages", (anthropic) =>
      anthropic.messages.create(ask),
    );
    t.match(message.content, [{ type: "text", text: texts["red"] }]);
  });
});
