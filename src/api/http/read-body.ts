import { type Decoded, decodeStruct, type Shape } from "../json/decode.ts";
import { parseFirstValue } from "../json/scan.ts";
import { HttpError } from "./http-error.ts";

/** The request's JSON, whatever its Content-Type, decoded as Go would. */
export async function readJson(
  request: Request,
  bytesMax: number,
  shape: { readonly name: string; readonly fields: Readonly<Record<string, Shape>> },
): Promise<Decoded> {
  return decodeStruct(await readValue(request, bytesMax), shape);
}

/** The same before it is decoded. */
export async function readValue(request: Request, bytesMax: number): Promise<unknown> {
  const text = (await readBytes(request, bytesMax)).toString("utf8");
  if (text === "") throw new HttpError(400, "missing request body");
  return parseFirstValue(text);
}

/** The request's body as it was sent; empty when there is none. */
export async function readBytes(request: Request, bytesMax: number): Promise<Buffer> {
  const announced = request.headers.get("content-length");
  if (Number(announced ?? 0) > bytesMax) throw tooLarge(bytesMax);
  try {
    // HTTP's parser lets through as much as was announced. Taken whole, it needs no web stream, which costs more than all
    // the rest of a small request's way to its route.
    if (announced !== null) return atMost(Buffer.from(await request.arrayBuffer()), bytesMax);
    if (!request.body) return Buffer.alloc(0);
    return Buffer.concat(await chunksOf(request.body, bytesMax));
  } catch (error) {
    // Whoever goes while sending is told nothing, and is no failure of ours.
    throw request.signal.aborted ? new HttpError(499, "request canceled") : error;
  }
}

function atMost(body: Buffer, bytesMax: number): Buffer {
  if (body.length > bytesMax) throw tooLarge(bytesMax);
  return body;
}

async function chunksOf(
  body: ReadableStream<Uint8Array>,
  bytesMax: number,
): Promise<readonly Uint8Array[]> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw tooLarge(bytesMax);
    chunks.push(chunk);
  }
  return chunks;
}

export function tooLarge(bytesMax: number): HttpError {
  const megabytes = Math.floor(bytesMax / 1_048_576);
  return new HttpError(413, `request body too large: at most ${megabytes} MiB are accepted`);
}
