import { routeHeaders } from "../http/reply.ts";
import { type EventWriter, sseResponse, sseStream } from "../http/sse.ts";
import { goJson } from "../json/go-json.ts";
import type { Answers, Chosen } from "./answers.ts";
import { type WholeAnswer, wholeAnswers } from "./whole-answer.ts";

/** How a route writes its answers: in one object, or as events. */
export interface ReplyForm {
  readonly stream: boolean;
  /** How many answers there are. */
  readonly count: number;
  readonly whole: (answers: readonly WholeAnswer[]) => unknown;
  readonly events: EventWriter<Chosen>;
}

export async function reply({ route, pieces }: Answers, form: ReplyForm): Promise<Response> {
  const headers = routeHeaders(route);
  if (form.stream) return sseResponse(sseStream(pieces, form.events), headers);
  return plainJsonReply(form.whole(await wholeAnswers(pieces, form.count)), headers);
}

/** Under /v1 the content type goes without a charset. */
export function plainJsonReply(
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(goJson(value), {
    headers: { "Content-Type": "application/json", ...headers },
  });
}
