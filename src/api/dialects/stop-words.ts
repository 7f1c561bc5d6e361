import { HttpError } from "../http/http-error.ts";
import { goTypeOf } from "../json/go-type.ts";

/** More than one comparison a token and word can bear; OpenAI takes 4. */
const STOP_WORDS_MAX = 256;

/** One word or a list of them; undefined leaves the model's own. */
export function parseStop(stop: unknown, param = "stop"): readonly string[] | undefined {
  if (stop === undefined || stop === null) return undefined;
  const words: readonly unknown[] = Array.isArray(stop) ? stop : [stop];
  if (words.length > STOP_WORDS_MAX) {
    const message = `'${param}' may hold ${STOP_WORDS_MAX} words at most`;
    throw new HttpError(400, message, { param });
  }
  return words.map((word) => {
    if (typeof word === "string") return word;
    const message = `invalid type for '${param}' field: ${goTypeOf(word)}`;
    throw new HttpError(400, message, { param });
  });
}
