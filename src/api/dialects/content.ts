import { mediumKind } from "../../core/media.ts";
import { SOUND_FORMATS } from "../../core/sound.ts";
import { HttpError } from "../http/http-error.ts";
import { isRecord } from "../json/decode.ts";
import { isTooDeep } from "../json/depth.ts";
import { parseFirstValue } from "../json/scan.ts";
import { isBase64 } from "../ollama/fields.ts";

/** Texts that stood apart are told apart by the model. */
export function joinTexts(texts: readonly string[]): string {
  return texts.join("\n");
}

const IMAGE_DATA = /^data:(?:image\/(?:jpeg|jpg|png|webp))?;base64,/;

/** The base64 of an image that came as a data URL, bare or as `{url}`; `param` is where it stood. */
export function parseImage(given: unknown, param: string): string {
  const refusal = (message: string): HttpError => new HttpError(400, message, { param });
  const url = isRecord(given) ? given["url"] : given;
  if (typeof url !== "string") throw refusal("invalid message format");
  if (/^https?:\/\//.test(url)) {
    throw refusal("image URLs are not currently supported, please use base64 encoded data instead");
  }
  const [prefix] = IMAGE_DATA.exec(url) ?? [];
  if (prefix === undefined) throw refusal("invalid image input");
  const data = url.slice(prefix.length);
  if (!isBase64(data)) throw refusal("invalid image input");
  return data;
}

/** The base64 of a sound: it travels where images do, as in Ollama. */
export function parseAudio(given: unknown, param: string): string {
  const refusal = (message: string): HttpError => new HttpError(400, message, { param });
  if (!isRecord(given)) throw refusal("invalid input_audio format");
  const { data } = given;
  if (typeof data !== "string" || data === "") {
    throw refusal("invalid input_audio format: missing data");
  }
  if (!isBase64(data)) throw refusal("invalid input_audio format");
  if (mediumKind(data) !== "sound") {
    throw refusal(`invalid input_audio format: send ${SOUND_FORMATS}`);
  }
  return data;
}

/** A tool call's arguments, from the text that a model once wrote. */
export function parseArguments(text: string, param: string): Readonly<Record<string, unknown>> {
  const refusal = new HttpError(400, "invalid tool call arguments", { param });
  // What models that call a function without parameters are recorded with.
  if (text === "") return {};
  let value: unknown;
  try {
    value = parseFirstValue(text);
  } catch {
    throw refusal;
  }
  if (isRecord(value) && !isTooDeep(value)) return value;
  throw refusal;
}
