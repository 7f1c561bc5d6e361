import type { Context } from "hono";
import type { Message } from "../../core/inference.ts";
import { mediumKind } from "../../core/media.ts";
import { SOUND_FORMATS } from "../../core/sound.ts";
import type { RouteContext } from "../deps.ts";
import { beginAnswers, type Chosen, generated } from "../dialects/answers.ts";
import { type Conversation, chatRequestOf, requireChatModel } from "../dialects/chat-model.ts";
import { plainJsonReply } from "../dialects/reply.ts";
import { wholeAnswers } from "../dialects/whole-answer.ts";
import { reportFailure } from "../http/error-response.ts";
import { HttpError } from "../http/http-error.ts";
import { routeHeaders } from "../http/reply.ts";
import { type ApiEnv, askingOf } from "../http/request-signal.ts";
import { type EventWriter, sseEvent, sseResponse, sseStream } from "../http/sse.ts";
import { requireImages } from "../ollama/images.ts";
import { openAiErrorBody } from "./errors.ts";
import { readTranscriptionForm, type TranscriptionForm } from "./transcription-form.ts";

/** POST /v1/audio/transcriptions: a chat with a model that hears, which is asked to write down what it hears. */
export async function transcriptions(c: Context<ApiEnv>, context: RouteContext): Promise<Response> {
  const form = await readTranscriptionForm(c, context.options.bodyBytesMax);
  const format = formatOf(form);
  const conversation = conversationOf(form);
  const record = requireChatModel(context, conversation);
  if (mediumKind(form.audio) !== "sound") {
    const message = `the file is in no format that can be read: send ${SOUND_FORMATS}`;
    throw new HttpError(400, message, { param: "file" });
  }
  requireImages(record, [form.audio], { param: "file" });
  const requestId = c.get("requestId");
  const request = chatRequestOf(requestId, record, conversation);
  const answers = await beginAnswers([generated(context, request, askingOf(c, record))]);
  const headers = routeHeaders(answers.route);
  if (format === "events") {
    const onError = (error: unknown): void => reportFailure(context.log, { requestId }, error);
    return sseResponse(sseStream(answers.pieces, transcriptEvents(onError)), headers);
  }
  const [answer] = await wholeAnswers(answers.pieces, 1);
  const text = answer?.text.trim() ?? "";
  if (format === "json") return plainJsonReply({ text }, headers);
  return new Response(text, {
    headers: { "Content-Type": "text/plain; charset=utf-8", ...headers },
  });
}

/** Times are in none of a model's answers: clients that ask for them in JSON get none, others are told. */
function formatOf({ responseFormat, stream }: TranscriptionForm): "json" | "text" | "events" {
  if (!["", "json", "verbose_json", "text"].includes(responseFormat)) {
    const message = `response_format ${JSON.stringify(responseFormat)} is not supported: use json or text`;
    throw new HttpError(400, message, { param: "response_format" });
  }
  if (/^(true|1)$/i.test(stream)) return "events";
  return responseFormat === "text" ? "text" : "json";
}

function conversationOf({
  model,
  audio,
  language,
  prompt,
  temperature,
}: TranscriptionForm): Conversation {
  const wanted = [
    "Write down what is said in the recording, word for word and in the language that is spoken, and nothing else.",
    ...(language === "" ? [] : [`The language is ${language}.`]),
    ...(prompt === "" ? [] : [`What is known of it: ${prompt}`]),
  ];
  const messages: readonly Message[] = [
    { role: "system", content: wanted.join(" ") },
    { role: "user", content: "Transcribe the recording.", images: [audio] },
  ];
  const asked = { sampling: { temperature: temperatureOf(temperature) } };
  return { model, messages, tools: [], mustCall: false, think: undefined, asked };
}

function temperatureOf(text: string): number {
  const temperature = Number(text);
  if (Number.isFinite(temperature) && temperature >= 0) return temperature;
  throw new HttpError(400, "temperature must be a number from 0", { param: "temperature" });
}

/** OpenAI's events of a transcript (https://platform.openai.com/docs/api-reference/audio). */
function transcriptEvents(onError: (error: unknown) => void): EventWriter<Chosen> {
  let text = "";
  return {
    item: ({ piece }) => {
      if (piece.type !== "text" || piece.text === "") return "";
      text += piece.text;
      return sseEvent({ type: "transcript.text.delta", delta: piece.text });
    },
    end: () => sseEvent({ type: "transcript.text.done", text: text.trim() }),
    error: (error) => {
      onError(error);
      return sseEvent(openAiErrorBody(error));
    },
  };
}
