import type { ServerResponse } from "node:http";

const TEXTS = new WeakMap<Response, string>();

/**
 * An answer that is one text. The listener writes it as such; from the response's body, a stream of the web, it would come in
 * several turns of the event loop, which together take longer than the rest of a small answer.
 */
export function wholeReply(text: string, init: ResponseInit): Response {
  const response = new Response(text, init);
  TEXTS.set(response, text);
  return response;
}

/** Returns false, with nothing written, for what is no whole reply. */
export function writeWhole(response: Response, outgoing: ServerResponse): boolean {
  const text = TEXTS.get(response);
  if (text === undefined) return false;
  const headers: Record<string, string | number> = {};
  for (const [name, value] of response.headers) headers[name] = value;
  headers["content-length"] = Buffer.byteLength(text);
  outgoing.writeHead(response.status, headers).end(text);
  return true;
}
