import t from "tap";
import { readJson } from "./read-body.ts";

const SHAPE = { name: "Request", fields: { text: "string" } } as const;

function requestOf(body: string | Uint8Array | ReadableStream, headers = {}): Request {
  return new Request("http://localhost/", {
    method: "POST",
    body,
    headers,
    ...(body instanceof ReadableStream ? { duplex: "half" as const } : {}),
  });
}

t.test("no content type is asked for", async (t) => {
  for (const type of ["application/json", "application/x-www-form-urlencoded", "image/png", ""]) {
    const request = requestOf('{"text":"é"}', type === "" ? {} : { "Content-Type": type });
    t.strictSame(await readJson(request, 100, SHAPE), { text: "é" }, type);
  }
});

t.test("text in pieces, cut anywhere", async (t) => {
  const bytes = Buffer.from('{"text":"é😀"}');
  for (let cut = 0; cut <= bytes.length; cut++) {
    const pieces = [bytes.subarray(0, cut), bytes.subarray(cut)].filter(({ length }) => length > 0);
    const request = requestOf(ReadableStream.from(pieces));
    t.strictSame(await readJson(request, 100, SHAPE), { text: "é😀" }, `cut at ${cut}`);
  }
});

t.test("bytes that are no UTF-8 become the replacement character, as in Go", async (t) => {
  const request = requestOf(Buffer.from([...Buffer.from('{"text":"'), 0xff, 0x22, 0x7d]));
  t.strictSame(await readJson(request, 100, SHAPE), { text: "\ufffd" });
});

t.test("nothing sent", async (t) => {
  const missing = { status: 400, message: "missing request body" };
  await t.rejects(readJson(new Request("http://localhost/"), 100, SHAPE), missing);
  await t.rejects(readJson(requestOf(""), 100, SHAPE), missing);
});

t.test("the size has a limit, announced or not", async (t) => {
  const limit = 2 * 1_048_576;
  const refusal = {
    status: 413,
    message: "request body too large: at most 2 MiB are accepted",
  };
  const fits = `{"text":"${"x".repeat(limit - 11)}"}`;
  t.equal(fits.length, limit);
  t.equal((await readJson(requestOf(fits), limit, SHAPE))["text"]?.toString().length, limit - 11);
  let taken = 0;
  async function* endless() {
    for (;;) {
      taken++;
      yield new Uint8Array(65_536);
    }
  }
  await t.rejects(readJson(requestOf(ReadableStream.from(endless())), limit, SHAPE), refusal);
  t.ok(taken < 40, "no more is read than tells that it is too much");
  const announced = requestOf("{}", { "Content-Length": String(limit + 1) });
  await t.rejects(readJson(announced, limit, SHAPE), refusal);
  t.notOk(announced.bodyUsed, "nothing is read of what says that it is too much");
});

t.test("a client that goes while it sends", async (t) => {
  const gone = new AbortController();
  async function* half() {
    yield new TextEncoder().encode('{"te');
    gone.abort();
    throw new Error("socket closed");
  }
  const request = new Request("http://localhost/", {
    method: "POST",
    body: ReadableStream.from(half()),
    duplex: "half",
    signal: gone.signal,
  });
  await t.rejects(readJson(request, 100, SHAPE), { status: 499, message: "request canceled" });
});
