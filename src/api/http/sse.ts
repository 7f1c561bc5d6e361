import { goJson } from "../json/go-json.ts";

const ENCODER = new TextEncoder();

/** Writes the events of one stream; an empty text stands for no event. */
export interface EventWriter<Item> {
  readonly item: (item: Item) => string;
  /** After the last item. */
  readonly end: () => string;
  /** The stream ends with it: its status can no longer be told. */
  readonly error: (error: unknown) => string;
}

/** One event of text/event-stream (https://html.spec.whatwg.org/multipage/server-sent-events.html). */
export function sseEvent(data: unknown, name?: string): string {
  const line = `data: ${typeof data === "string" ? data : goJson(data)}\n\n`;
  return name === undefined ? line : `event: ${name}\n${line}`;
}

/** The next item is read only when the client has taken the last, so that a slow reader holds up its own answer alone. */
export function sseStream<Item>(
  items: AsyncIterableIterator<Item>,
  writer: EventWriter<Item>,
): ReadableStream<Uint8Array> {
  let left = false;
  const pull = async (controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> => {
    const send = (text: string): void => controller.enqueue(ENCODER.encode(text));
    try {
      for (let text = ""; text === ""; ) {
        const { done, value } = await items.next();
        if (left) return;
        text = done ? writer.end() : writer.item(value);
        if (text !== "") send(text);
        if (done) return controller.close();
      }
    } catch (error) {
      const text = writer.error(error);
      if (left) return;
      send(text);
      controller.close();
    }
  };
  const cancel = async (): Promise<void> => {
    left = true;
    await items.return?.();
  };
  return new ReadableStream<Uint8Array>({ pull, cancel }, { highWaterMark: 0 });
}

export function sseResponse(
  body: ReadableStream<Uint8Array>,
  headers: Readonly<Record<string, string>>,
): Response {
  return new Response(body, {
    headers: {
      "Content-Type": "text/event-stream",
      "Cache-Control": "no-cache",
      // Said here, so that the server sends each event as it comes, also of a short answer.
      "Transfer-Encoding": "chunked",
      ...headers,
    },
  });
}
