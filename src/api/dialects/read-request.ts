import { promisify } from "node:util";
import { zstdDecompress } from "node:zlib";
import type { Context } from "hono";
import { HttpError } from "../http/http-error.ts";
import { readBytes, tooLarge } from "../http/read-body.ts";
import { noteModel } from "../http/recorded.ts";
import type { ApiEnv } from "../http/request-signal.ts";
import { type Decoded, decodeStruct, type Shape } from "../json/decode.ts";
import { isTooDeep } from "../json/depth.ts";
import { JsonError, parseFirstValue } from "../json/scan.ts";

const decompress = promisify(zstdDecompress);

/** What a compressed body may become (Ollama's limit). */
const DECOMPRESSED_BYTES_MAX = 20 * 1024 * 1024;

/** The request's JSON under /v1, whatever its Content-Type: as it is, or compressed by zstd (RFC 8878). */
export async function readRequest(
  c: Context<ApiEnv>,
  bytesMax: number,
  shape: { readonly name: string; readonly fields: Readonly<Record<string, Shape>> },
): Promise<Decoded> {
  const request = c.req.raw;
  const sent = await readBytes(request, bytesMax);
  const isZstd = request.headers.get("content-encoding")?.toLowerCase() === "zstd";
  const bytes = isZstd ? await decompressed(sent) : sent;
  const value = parseFirstValue(bytes.toString("utf8"));
  noteModel(c, value);
  if (isTooDeep(value)) throw new JsonError("exceeded max depth");
  return decodeStruct(value, shape);
}

async function decompressed(bytes: Buffer): Promise<Buffer> {
  try {
    return await decompress(bytes, { maxOutputLength: DECOMPRESSED_BYTES_MAX });
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE") {
      throw tooLarge(DECOMPRESSED_BYTES_MAX);
    }
    throw new HttpError(400, "failed to decompress zstd body");
  }
}
