import { messageOf } from "../../core/errors.ts";
import { goJson } from "../json/go-json.ts";
import { errorReply } from "./error-response.ts";

const ENCODER = new TextEncoder();

/**
 * One object a line, each flushed as it comes. The next one is made only when the client has taken the last, so that a slow
 * reader holds up its own answer and no memory. An error becomes the last line: its status can no longer be told.
 */
export function ndjsonStream(
  lines: AsyncIterable<unknown>,
  onError: (error: unknown) => void,
): ReadableStream<Uint8Array> {
  const iterator = lines[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await iterator.next();
          if (done) controller.close();
          else controller.enqueue(encodeLine(value));
        } catch (error) {
          onError(error);
          controller.enqueue(encodeLine({ error: errorReply(error).message || messageOf(error) }));
          controller.close();
        }
      },
      async cancel() {
        await iterator.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}

function encodeLine(value: unknown): Uint8Array {
  return ENCODER.encode(`${goJson(value)}\n`);
}
