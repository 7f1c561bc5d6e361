import type { Context } from "hono";
import { messageOf } from "../../core/errors.ts";
import { MEDIA_BYTES_MAX } from "../../core/media.ts";
import { HttpError } from "../http/http-error.ts";
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

/** A form as RFC 7578 has it. The checks come in Ollama's order. */
export async function readTranscriptionForm(
  c: Context<ApiEnv>,
  bytesMax: number,
): Promise<TranscriptionForm> {
  const type = c.req.header("content-type") ?? "";
  const body = await readBytes(c.req.raw, Math.min(bytesMax, MEDIA_BYTES_MAX + OTHERS_BYTES_MAX));
  const form = await parseForm(type, body);
  const text = (name: string): string => {
    const value = form.get(name);
    return typeof value === "string" ? value : "";
  };
  const model = text("model");
  noteModel(c, { model });
  if (model === "") throw refusal("model is required", "model");
  const file = form.get("file");
  if (!(file instanceof File)) throw refusal("file is required: http: no such file", "file");
  if (file.size === 0) throw refusal("audio file is empty", "file");
  return {
    model,
    audio: Buffer.from(await file.arrayBuffer()).toString("base64"),
    responseFormat: text("response_format"),
    language: text("language"),
    prompt: text("prompt"),
    temperature: text("temperature"),
    stream: text("stream"),
  };
}

async function parseForm(type: string, body: Buffer): Promise<FormData> {
  if (!/^multipart\/form-data(;|$)/i.test(type)) {
    throw unreadable("request Content-Type isn't multipart/form-data");
  }
  const [, quoted, bare] = /boundary=(?:"([^"]+)"|([^";\s]+))/i.exec(type) ?? [];
  const boundary = quoted ?? bare;
  if (boundary === undefined) throw unreadable("no multipart boundary param in Content-Type");
  if (countOf(body, `--${boundary}`) > PARTS_MAX) throw unreadable("multipart: message too large");
  try {
    return await new Response(new Uint8Array(body), {
      headers: { "Content-Type": type },
    }).formData();
  } catch (error) {
    const { cause } = error instanceof Error ? error : {};
    throw unreadable(messageOf(cause ?? error));
  }
}

/** No further than PARTS_MAX. */
function countOf(body: Buffer, mark: string): number {
  let count = 0;
  let at = body.indexOf(mark);
  for (; at >= 0 && count <= PARTS_MAX; at = body.indexOf(mark, at + mark.length)) count++;
  return count;
}

function unreadable(why: string): HttpError {
  return new HttpError(400, `failed to parse multipart form: ${why}`);
}

function refusal(message: string, param: string): HttpError {
  return new HttpError(400, message, { param });
}
