import fc from "fast-check";
import t from "tap";
import {
  eventsOf,
  type FakeCluster,
  fakeCluster,
  ROUTE,
  recordOf,
} from "../../../test/fixtures/fake-cluster.ts";
import { sseEvents } from "../../../test/fixtures/http.ts";
import { TRIANGLE, tone } from "../../../test/fixtures/sounds.ts";
import { plainPng } from "../../../test/fixtures/vision-projector.ts";
import { InferenceError } from "../../core/errors.ts";
import type { RoutedEvent } from "../../core/inference.ts";
import { MEDIA_BYTES_MAX } from "../../core/media.ts";
import { createApp } from "../app.ts";

const RECORDS = [
  recordOf("registry.ollama.ai/library/ultravox:latest", ["completion", "audio"]),
  recordOf("registry.ollama.ai/library/llama:latest"),
];
const WAV = tone(440);

/** Undefined leaves a field out. */
function formOf(fields: Readonly<Record<string, string | File | undefined>>): FormData {
  const form = new FormData();
  const all = { file: fileOf(WAV), model: "ultravox", ...fields };
  for (const [name, value] of Object.entries(all)) if (value !== undefined) form.set(name, value);
  return form;
}

function fileOf(base64: string): File {
  return new File([Buffer.from(base64, "base64")], "recording");
}

function post(cluster: FakeCluster, body: FormData | string, type?: string): Promise<Response> {
  const app = createApp(cluster, () => false);
  const headers: Record<string, string> = type === undefined ? {} : { "Content-Type": type };
  return Promise.resolve(
    app.request("/v1/audio/transcriptions", { method: "POST", body, headers }),
  );
}

const said = (text: string): RoutedEvent => ({ type: "text", text, tokens: 1 });
const END: RoutedEvent = {
  ...{ type: "end", reason: "stop", promptTokens: 5, tokens: 2, promptMs: 1, outputMs: 1 },
};

function hearing(...events: readonly RoutedEvent[]): FakeCluster {
  const cluster = fakeCluster({ records: RECORDS });
  cluster.inference.script = () => eventsOf([{ type: "routed", ...ROUTE }, ...events, END]);
  return { ...cluster, options: { ...cluster.options, bodyBytesMax: 2 * MEDIA_BYTES_MAX } };
}

t.test("a transcript, in JSON and as text", async (t) => {
  for (const format of [undefined, "", "json", "verbose_json"]) {
    const response = await post(
      hearing(said(" Hello"), said(" there.\n")),
      formOf({ response_format: format }),
    );
    t.equal(response.status, 200);
    t.equal(response.headers.get("content-type"), "application/json");
    t.equal(response.headers.get("x-ollamamax-node"), ROUTE.node);
    t.strictSame(await response.json(), { text: "Hello there." });
  }
  const response = await post(hearing(said(" Hello")), formOf({ response_format: "text" }));
  t.equal(response.headers.get("content-type"), "text/plain; charset=utf-8");
  t.equal(await response.text(), "Hello");
});

t.test("what the model is asked", async (t) => {
  const plain = hearing();
  await post(plain, formOf({}));
  t.match(plain.inference.generated[0], {
    input: {
      kind: "messages",
      messages: [{ role: "system" }, { role: "user", images: [WAV] }],
    },
    sampling: { temperature: 0 },
  });
  const told = hearing();
  await post(told, formOf({ language: "no", prompt: "Ella, Anna", temperature: "0.5" }));
  const [request] = told.inference.generated;
  t.match(request, { sampling: { temperature: 0.5 } });
  t.match(request?.input, { messages: [{ content: /language is no\..*Ella, Anna$/ }, {}] });
  for (const sound of [TRIANGLE.mp3, TRIANGLE.flac]) {
    const other = hearing();
    t.equal((await post(other, formOf({ file: fileOf(sound) }))).status, 200);
    t.match(other.inference.generated[0]?.input, { messages: [{}, { images: [sound] }] });
  }
});

t.test("the file is the first that is one, as in Go", async (t) => {
  const form = new FormData();
  form.append("file", "a text");
  for (const [name, value] of formOf({ model: undefined })) form.append(name, value);
  form.append("file", fileOf(TRIANGLE.flac));
  form.append("model", "ultravox");
  form.append("model", "none");
  const cluster = hearing();
  t.equal((await post(cluster, form)).status, 200);
  t.match(cluster.inference.generated[0]?.input, { messages: [{}, { images: [WAV] }] });
});

t.test("events", async (t) => {
  const response = await post(hearing(said(" Hello"), said(" there.")), formOf({ stream: "true" }));
  t.equal(response.headers.get("content-type"), "text/event-stream");
  const events = sseEvents(await response.text()).map(({ data }) => JSON.parse(data) as unknown);
  t.strictSame(events, [
    { type: "transcript.text.delta", delta: " Hello" },
    { type: "transcript.text.delta", delta: " there." },
    { type: "transcript.text.done", text: "Hello there." },
  ]);
  const broken = hearing();
  broken.inference.script = async function* () {
    yield* eventsOf([said("Hel")]);
    throw new InferenceError("STREAM_BROKEN", "the answer broke off");
  };
  const failed = sseEvents(await (await post(broken, formOf({ stream: "true" }))).text());
  t.match(JSON.parse(failed.at(-1)?.data ?? ""), { error: { message: /broke off/ } });
});

t.test("what is refused", async (t) => {
  const multipart = "multipart/form-data; boundary=X";
  const named = (name: string) =>
    `--X\r\nContent-Disposition: form-data; name="${name}"\r\n\r\nb\r\n`;
  const many = `${Array.from({ length: 1_001 }, (_, index) => named(`${index}`)).join("")}--X--\r\n`;
  type Row = readonly [
    what: string,
    body: FormData | string,
    status: number,
    message: RegExp | string,
    param?: string | undefined,
    type?: string,
  ];
  const rows: readonly Row[] = [
    ["no model", formOf({ model: undefined }), 400, "model is required", "model"],
    ["an empty model", formOf({ model: "" }), 400, "model is required", "model"],
    ["a model that is a file", formOf({ model: fileOf(WAV) }), 400, "model is required", "model"],
    ["no file", formOf({ file: undefined }), 400, "file is required: http: no such file", "file"],
    ["a file that is none", formOf({ file: WAV }), 400, /^file is required: /, "file"],
    ["an empty file", formOf({ file: fileOf("") }), 400, "audio file is empty", "file"],
    ["an unknown model", formOf({ model: "none" }), 404, /'none' not found/],
    [
      "a model that hears nothing",
      formOf({ model: "llama" }),
      400,
      "this model is missing data required for audio input",
      "file",
    ],
    ["text", formOf({ file: fileOf("aGk=") }), 400, /send WAV, MP3 or FLAC$/, "file"],
    ["a picture", formOf({ file: fileOf(plainPng(1, 2, 3)) }), 400, /send WAV, MP3/, "file"],
    [
      "subtitles",
      formOf({ response_format: "srt" }),
      400,
      'response_format "srt" is not supported: use json or text',
      "response_format",
    ],
    ["a cold one", formOf({ temperature: "-1" }), 400, /temperature/, "temperature"],
    ["a hot one", formOf({ temperature: "hot" }), 400, /temperature/, "temperature"],
    [
      "too large",
      "x".repeat(MEDIA_BYTES_MAX + 2 ** 20),
      413,
      "request body too large: at most 25 MiB are accepted",
      undefined,
      multipart,
    ],
    [
      "JSON",
      '{"model":"ultravox"}',
      400,
      "failed to parse multipart form: request Content-Type isn't multipart/form-data",
      undefined,
      "application/json",
    ],
    [
      "no boundary",
      named("model"),
      400,
      "failed to parse multipart form: no multipart boundary param in Content-Type",
      undefined,
      "multipart/form-data",
    ],
    ["no parts", "x", 400, /^failed to parse multipart form: /, undefined, multipart],
    ["cut off", named("model"), 400, /^failed to parse multipart form: /, undefined, multipart],
    ["nothing", "", 400, /^failed to parse multipart form: /, undefined, multipart],
    ["no fields", "--X--\r\n", 400, "model is required", "model", multipart],
    [
      "too many parts",
      many,
      400,
      "failed to parse multipart form: multipart: message too large",
      undefined,
      multipart,
    ],
  ];
  for (const [what, body, status, message, param, type] of rows) {
    const cluster = hearing();
    const response = await post(cluster, body, type);
    t.equal(response.status, status, what);
    t.match(await response.json(), { error: { message, param: param ?? null } }, what);
    t.equal(cluster.inference.generated.length, 0, what);
  }
  const get = await createApp(hearing(), () => false).request("/v1/audio/transcriptions");
  t.equal(get.status, 405);
});

t.test("a form that is damaged anywhere is an answer or a refusal", async (t) => {
  const sent = new Response(formOf({ language: "no", file: fileOf(TRIANGLE.flac) }));
  const type = sent.headers.get("content-type") ?? "";
  const whole = Buffer.from(await sent.arrayBuffer()).toString("latin1");
  const edges = whole.length - TRIANGLE.flac.length / 2;
  await fc.assert(
    fc.asyncProperty(
      fc.nat(edges),
      fc.nat(40),
      fc.string({ maxLength: 8 }),
      async (at, count, put) => {
        const body = whole.slice(0, at) + put + whole.slice(at + count);
        const { status } = await post(hearing(), body, type);
        t.ok([200, 400, 404].includes(status), `${status} at ${at}, ${count}, ${put}`);
      },
    ),
  );
});
