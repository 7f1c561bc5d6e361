import { goJson } from "../json/go-json.ts";
import { errorReply } from "./error-response.ts";

const ENCODER = new TextEncoder();

export interface LineWriter<Item> {
  readonly line: (item: Item) => unknown;
  /** Nothing is read after it. */
  readonly isLast: (item: Item) => boolean;
  /** What is wrong when the items end without a last one. */
  readonly endedEarly: () => Error;
  readonly onError: (error: unknown) => void;
}

/**
 * One object a line, each flushed as it comes. The next one is made only when the client has taken the last, so that a slow
 * reader holds up its own answer and no memory. An error becomes the last line: its status can no longer be told.
 */
export function ndjsonStream<Item>(
  items: AsyncIterableIterator<Item>,
  { line, isLast, endedEarly, onError }: LineWriter<Item>,
): ReadableStream<Uint8Array> {
  let left = false;
  const pull = async (controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> => {
    try {
      const { done, value } = await items.next();
      if (left) return;
      if (done) throw endedEarly();
      controller.enqueue(encodeLine(line(value)));
      if (!isLast(value)) return;
      controller.close();
      await items.return?.();
    } catch (error) {
      onError(error);
      if (left) return;
      controller.enqueue(encodeLine({ error: errorReply(error).message }));
      controller.close();
    }
  };
  const cancel = async (): Promise<void> => {
    left = true;
    await items.return?.();
  };
  return new ReadableStream<Uint8Array>({ pull, cancel }, { highWaterMark: 0 });
}

function encodeLine(value: unknown): Uint8Array {
  return ENCODER.encode(`${goJson(value)}\n`);
}
