import { zstdCompressSync } from "node:zlib";
import { Context } from "hono";
import t from "tap";
import type { ApiEnv } from "../http/request-signal.ts";
import { readRequest } from "./read-request.ts";

const SHAPE = { name: "openai.Ask", fields: { model: "string" } } as const;
const BYTES_MAX = 1_048_576;

function read(body: string | Uint8Array, encoding?: string) {
  const headers = encoding === undefined ? {} : { "Content-Encoding": encoding };
  const sent = typeof body === "string" ? body : new Uint8Array(body);
  const request = new Request("http://x", { method: "POST", body: sent, headers });
  return readRequest(new Context<ApiEnv>(request), BYTES_MAX, SHAPE);
}

t.test("plain and compressed bodies", async (t) => {
  const text = '{"Model":"é"}';
  t.strictSame(await read(text), { model: "é" });
  t.strictSame(await read(zstdCompressSync(text), "zstd"), { model: "é" });
  t.strictSame(await read(zstdCompressSync(text), "ZSTD"), { model: "é" });
  t.strictSame(await read(text, "identity"), { model: "é" });
});

t.test("what is none", async (t) => {
  const bomb = zstdCompressSync(Buffer.alloc(21 * 1_048_576, " "));
  const whole = zstdCompressSync('{"model":"x"}');
  const rows: readonly (readonly [
    body: string | Uint8Array,
    encoding: string | undefined,
    error: object,
  ])[] = [
    ["", undefined, { message: "EOF" }],
    ["{", undefined, { message: "unexpected EOF" }],
    ['{"model":"x"}', "zstd", { status: 400, message: "failed to decompress zstd body" }],
    [whole.subarray(0, -3), "zstd", { status: 400, message: "failed to decompress zstd body" }],
    [bomb, "zstd", { status: 413, message: /at most 20 MiB/ }],
    [" ".repeat(BYTES_MAX + 1), undefined, { status: 413, message: /at most 1 MiB/ }],
    ["[1]", undefined, { message: /array into Go value of type openai.Ask$/ }],
    [`{"a":${"[".repeat(512)}${"]".repeat(512)}}`, undefined, { message: "exceeded max depth" }],
  ];
  for (const [body, encoding, error] of rows) {
    t.match(await read(body, encoding).catch((reason: unknown) => reason), error);
  }
  const deepest = `{"a":${"[".repeat(511)}${"]".repeat(511)}}`;
  t.strictSame(await read(deepest), {});
});
