import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { demoModelWith } from "../fixtures/chat-template-file.ts";
import { TestCluster, until } from "../fixtures/cluster.ts";
import { call, ndjson } from "../fixtures/http.ts";

const QUESTION = "what is the capital of Norway?";
const ANSWER = "The capital of Norway is Oslo.";
const OTHER = "why is the sky blue?";

type Row = { readonly name: string };

const named = (body: Record<string, unknown>, name: string): boolean =>
  (body["models"] as Row[]).some((model) => model.name === name);

async function namesAt(url: string): Promise<string[]> {
  const { text } = await call(url);
  const { models } = JSON.parse(text) as { models: Row[] };
  return models.map(({ name }) => name).sort();
}

async function remove(url: string, name: string): Promise<number> {
  const response = await fetch(url, { method: "DELETE", body: JSON.stringify({ name }) });
  if ((await response.text()) !== "") throw new Error("a body came");
  return response.status;
}

t.test("models are made, copied and deleted through a node that has none", async (t) => {
  await using cluster = await TestCluster.open();
  await cluster.importDemo("a");
  await cluster.importDemo("b");
  const daemons = ["a", "b", "c"].map((name) => cluster.start(name));
  const [a, b, c] = await Promise.all(daemons.map((daemon) => daemon.ready()));
  if (!a || !b || !c) throw new Error("three were started");
  for (const { apiUrl } of [a, b, c]) {
    await until(
      `${apiUrl}/api/cluster/replicas`,
      ({ replicas }) => (replicas as unknown[]).length === 2,
    );
    await until(
      `${apiUrl}/api/cluster/nodes`,
      ({ nodes }) =>
        (nodes as { health: string }[]).filter(({ health }) => health === "alive").length === 3,
    );
  }

  await t.test("copy gives a second name on every holder", async (t) => {
    const body = { source: "tiny-chat", destination: "Second:v1" };
    const copied = await call(`${c.apiUrl}/api/copy`, body);
    t.equal(copied.status, 200, copied.text);
    t.equal(copied.text, "");
    t.equal(copied.headers["x-ollamamax-missed"], undefined, "nobody was away");
    t.same(await namesAt(`${c.apiUrl}/api/tags`), ["Second:v1", "tiny-chat:latest"], "at once");
    for (const { apiUrl } of [a, b]) {
      t.same(await namesAt(`${apiUrl}/api/tags?local=true`), ["Second:v1", "tiny-chat:latest"]);
    }
    t.same(await namesAt(`${c.apiUrl}/api/tags?local=true`), []);
    const missing = await call(`${c.apiUrl}/api/copy?local=true`, body);
    t.equal(missing.status, 404);
    t.equal(missing.text, '{"error":"model \\"tiny-chat\\" not found"}');
  });

  await t.test("create is done where the model is", async (t) => {
    const made = await call(`${c.apiUrl}/api/create`, {
      ...{ model: "norway", from: "tiny-chat", system: "Be brief.", license: ["MIT", "Apache"] },
      parameters: { temperature: 0, num_predict: 6, stop: "Oslo" },
      messages: [
        { role: "user", content: OTHER },
        { role: "assistant", content: "Because of the air." },
      ],
    });
    t.equal(made.status, 200, made.text);
    t.equal(made.headers["content-type"], "application/x-ndjson");
    const lines = ndjson(made.text).map(({ status }) => String(status));
    t.match(lines[0], /^using existing layer sha256:[0-9a-f]{64}$/);
    t.equal(lines.filter((line) => line.startsWith("creating new layer")).length, 5);
    t.same(lines.slice(-2), ["writing manifest", "success"]);

    const shown = JSON.parse((await call(`${c.apiUrl}/api/show`, { model: "norway" })).text);
    t.match(shown, {
      system: "Be brief.",
      license: "MIT\nApache",
      parameters: /^temperature +0\nnum_predict +6\nstop +"Oslo"$/,
      messages: [
        { role: "user", content: OTHER },
        { role: "assistant", content: "Because of the air." },
      ],
      details: { family: "llama", quantization_level: "F16" },
    });
    t.match(shown.modelfile, /^PARAMETER num_predict 6$/m);
  });

  await t.test("what it was made with applies", async (t) => {
    const messages = [{ role: "user", content: QUESTION }];
    const chat = async (more: object) => {
      const body = { model: "norway", messages, stream: false, ...more };
      return JSON.parse((await call(`${c.apiUrl}/api/chat`, body)).text);
    };
    const cut = await chat({});
    t.equal(cut.message.content.trim(), ANSWER.slice(0, cut.message.content.length).trim());
    t.ok(cut.message.content.length < ANSWER.length, "stop and num_predict apply");
    const rendered = await chat({ _debug_render_only: true });
    const prompt = rendered._debug_info.rendered_template;
    t.ok(prompt.indexOf(OTHER) >= 0, prompt);
    t.ok(prompt.indexOf("Because of the air.") < prompt.indexOf(QUESTION), "then the request");
    const generated = await call(`${c.apiUrl}/api/generate`, {
      ...{ model: "norway", prompt: QUESTION, stream: false },
      options: { num_predict: 100, stop: [] },
    });
    t.equal(JSON.parse(generated.text).response.trim(), ANSWER, "the request's options win");
    const generatedPrompt = await call(`${c.apiUrl}/api/generate`, {
      ...{ model: "norway", prompt: QUESTION, _debug_render_only: true },
    });
    t.match(generatedPrompt.text, /Because of the air\..*capital/s);
  });

  await t.test("a TEMPLATE of its own, and one of a request", async (t) => {
    const template = "{{ range .Messages }}[{{ .Role }}] {{ .Content }}\n{{ end }}[assistant]";
    const made = await call(`${c.apiUrl}/api/create`, {
      ...{ model: "templated", from: "tiny-chat", template, stream: false },
    });
    t.equal(made.status, 200, made.text);
    const rendered = async (body: object): Promise<string> => {
      const asked = { model: "templated", _debug_render_only: true, ...body };
      const route = "prompt" in body ? "generate" : "chat";
      const { text } = await call(`${c.apiUrl}/api/${route}`, asked);
      return JSON.parse(text)._debug_info?.rendered_template ?? text;
    };
    const messages = [
      { role: "system", content: "Be brief." },
      { role: "user", content: QUESTION },
    ];
    const prompt = `[system] Be brief.\n[user] ${QUESTION}\n[assistant]`;
    const jinja = await rendered({ model: "tiny-chat", messages });
    t.not(jinja, prompt);
    // The demo model's own template knows of no tools: it offers no more than this one.
    t.equal(await rendered({ messages }), prompt);
    t.equal(await rendered({ prompt: "Hi", template: "<{{ .Prompt }}>" }), "<Hi>");
    const bad = await call(`${c.apiUrl}/api/generate`, {
      ...{ model: "templated", prompt: "Hi", template: "{{ if }}" },
    });
    t.equal(bad.status, 500);
    t.match(bad.text, /template: :1: missing value for if/);
    t.equal(await remove(`${c.apiUrl}/api/delete`, "templated"), 200);
  });

  await t.test("a model of a file that was sent as a blob, with a SYSTEM", async (t) => {
    const file = demoModelWith("{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}");
    const digest = `sha256:${createHash("sha256").update(file).digest("hex")}`;
    const sent = await fetch(`${c.apiUrl}/api/blobs/${digest}`, { method: "POST", body: file });
    t.equal(sent.status, 201);
    const made = await call(`${c.apiUrl}/api/create`, {
      ...{ name: "plain", files: { "plain.gguf": digest }, system: "Be brief.", stream: false },
      messages: [{ role: "User", content: "Hi" }],
    });
    t.equal(made.status, 200, made.text);
    t.equal(made.text, '{"status":"success"}');
    t.equal(made.headers["content-type"], "application/json");
    t.same(await namesAt(`${c.apiUrl}/api/tags?local=true`), ["plain:latest"]);
    await until(`${a.apiUrl}/api/tags`, (body) => named(body, "plain:latest"));
    const rows: readonly (readonly [route: string, body: object, prompt: string])[] = [
      [
        "chat",
        { messages: [{ role: "user", content: "You?" }] },
        "[system]Be brief.[user]Hi[user]You?",
      ],
      ["generate", { prompt: "You?" }, "[system]Be brief.[user]Hi[user]You?"],
      ["generate", { prompt: "You?", system: "Mine." }, "[system]Mine.[user]Hi[user]You?"],
      ["chat", { messages: [{ role: "system", content: "Mine." }] }, "[system]Mine.[user]Hi"],
    ];
    for (const [route, body, prompt] of rows) {
      const asked = { model: "plain", ...body, _debug_render_only: true };
      const { text } = await call(`${a.apiUrl}/api/${route}`, asked);
      t.equal(JSON.parse(text)._debug_info?.rendered_template, prompt, `${route} ${text}`);
    }
    t.equal(await remove(`${b.apiUrl}/api/delete`, "plain"), 200);
    t.same(readdirSync(path.join(cluster.dataDir("c"), "models/blobs")), [], "nothing is left");
    t.same(readdirSync(path.join(cluster.dataDir("c"), "models/manifests")), []);
  });

  await t.test(
    "a quantized model is made where its source is, and answers as that does",
    async (t) => {
      for (const quantize of ["Q8_0", "Q4_K_M"]) {
        const made = await call(`${c.apiUrl}/api/create`, {
          ...{ model: "small", from: "tiny-chat", quantize },
        });
        t.equal(made.status, 200, made.text);
        const [first] = ndjson(made.text);
        t.match(first, { status: `quantizing F16 model to ${quantize}`, total: 1_996_320 });
        t.match(made.text, /verifying conversion.*creating new layer.*success"\}\n$/s);
        t.same(await namesAt(`${c.apiUrl}/api/tags?local=true`), []);
        const shown = JSON.parse((await call(`${c.apiUrl}/api/show`, { model: "small" })).text);
        t.equal(shown.details.quantization_level, quantize);
        const chat = await call(`${c.apiUrl}/api/chat`, {
          ...{ model: "small", messages: [{ role: "user", content: QUESTION }], stream: false },
          options: { temperature: 0 },
        });
        const { content } = JSON.parse(chat.text).message;
        // Four bits are few for a million weights.
        if (quantize === "Q8_0") t.equal(content, ANSWER);
        else t.match(content, /\w/);
      }
      t.equal(await remove(`${c.apiUrl}/api/delete`, "small"), 200);
    },
  );

  await t.test("delete is done everywhere, and what others need stays", async (t) => {
    t.equal(await remove(`${c.apiUrl}/api/delete`, "second:V1"), 200);
    t.notOk((await namesAt(`${c.apiUrl}/api/tags`)).includes("Second:v1"));
    for (const { apiUrl } of [a, b]) {
      t.notOk((await namesAt(`${apiUrl}/api/tags?local=true`)).includes("Second:v1"));
    }
    const chat = await call(`${c.apiUrl}/api/chat`, {
      ...{ model: "tiny-chat", messages: [{ role: "user", content: QUESTION }], stream: false },
      options: { temperature: 0 },
    });
    t.equal(JSON.parse(chat.text).message.content, ANSWER);
    t.equal(await remove(`${a.apiUrl}/api/delete?local=true`, "tiny-chat"), 200);
    await until(`${c.apiUrl}/api/tags`, (body) => named(body, "tiny-chat:latest"));
    t.ok((await namesAt(`${b.apiUrl}/api/tags?local=true`)).includes("tiny-chat:latest"));
    t.equal(await remove(`${c.apiUrl}/api/delete`, "tiny-chat"), 200);
    t.notOk((await namesAt(`${c.apiUrl}/api/tags`)).includes("tiny-chat:latest"));
    const missing = await fetch(`${c.apiUrl}/api/delete`, {
      method: "DELETE",
      body: '{"model":"tiny-chat"}',
    });
    t.equal(missing.status, 404);
    t.equal(await missing.text(), `{"error":"model 'tiny-chat' not found"}`);
  });
});
