import type { Context } from "hono";
import { MEDIA_BYTES_MAX } from "../../core/media.ts";
import { HttpError } from "../http/http-error.ts";
import { FormError, type FormPart, parseMultipart } from "../http/multipart.ts";
import { readBytes } from "../http/read-body.ts";
import { noteModel } from "../http/recorded.ts";
import type { ApiEnv } from "../http/request-signal.ts";

export interface TranscriptionForm {
  readonly model: string;
  /** Base64. */
  readonly audio: string;
  readonly responseFormat: string;
  readonly language: string;
  readonly prompt: string;
  readonly temperature: string;
  readonly stream: string;
}

/** What stands beside the file. */
const OTHERS_BYTES_MAX = 256 * 1_024;
/** Go's, whose words these are. */
const PARTS_MAX = 1_000;

/** The checks come in Ollama's order. */
export async function readTranscriptionForm(
  c: Context<ApiEnv>,
  bytesMax: number,
): Promise<TranscriptionForm> {
  const type = c.req.header("content-type") ?? "";
  const body = await readBytes(c.req.raw, Math.min(bytesMax, MEDIA_BYTES_MAX + OTHERS_BYTES_MAX));
  const parts = parseForm(type, body);
  const text = (field: string): string =>
    parts.find(({ name, isFile }) => name === field && !isFile)?.body.toString("utf8") ?? "";
  const model = text("model");
  noteModel(c, { model });
  if (model === "") throw refusal("model is required", "model");
  const file = parts.find(({ name, isFile }) => name === "file" && isFile);
  if (!file) throw refusal("file is required: http: no such file", "file");
  if (file.body.length === 0) throw refusal("audio file is empty", "file");
  return {
    model,
    audio: file.body.toString("base64"),
    responseFormat: text("response_format"),
    language: text("language"),
    prompt: text("prompt"),
    temperature: text("temperature"),
    stream: text("stream"),
  };
}

function parseForm(type: string, body: Buffer): readonly FormPart[] {
  if (!/^multipart\/form-data\s*(;|$)/i.test(type)) {
    throw unreadable("request Content-Type isn't multipart/form-data");
  }
  const [, quoted, bare] = /;\s*boundary=(?:"([^"]+)"|([^";\s]+))/i.exec(type) ?? [];
  const boundary = quoted ?? bare;
  if (boundary === undefined) throw unreadable("no multipart boundary param in Content-Type");
  try {
    return parseMultipart(body, boundary, PARTS_MAX);
  } catch (error) {
    throw error instanceof FormError ? unreadable(error.message) : error;
  }
}

function unreadable(why: string): HttpError {
  return new HttpError(400, `failed to parse multipart form: ${why}`);
}

function refusal(message: string, param: string): HttpError {
  return new HttpError(400, message, { param });
}
