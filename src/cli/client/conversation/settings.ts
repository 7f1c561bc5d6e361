import type { MediumKind } from "../../../core/media.ts";
import type { Capability } from "../../../core/model.ts";
import type { Json } from "../api-client.ts";

/** What holds for each request of a conversation; `/set` and `/load` change it. */
export interface Settings {
  readonly model: string;
  /** What may be shown to it. */
  readonly takes: readonly MediumKind[];
  readonly system: string | undefined;
  readonly options: Json;
  readonly format: unknown;
  readonly think: boolean | string | undefined;
  readonly keepAlive: string | number | undefined;
  readonly isVerbose: boolean;
  readonly hidesThinking: boolean;
}

export interface Message {
  readonly role: "user" | "assistant" | "system";
  readonly content: string;
  /** In base64. */
  readonly images?: readonly string[];
}

/** For another model, of which `shown` is what POST /api/show says. */
export function settingsFor(model: string, shown: Json, settings: Settings): Settings {
  const { capabilities } = shown;
  const has = (name: Capability): boolean =>
    Array.isArray(capabilities) && capabilities.includes(name);
  const takes: MediumKind[] = [];
  if (has("vision")) takes.push("picture");
  if (has("audio")) takes.push("sound");
  return { ...settings, model, takes };
}

/** The body of POST /api/chat. What nobody has set is left to the model and the node. */
export function chatRequest(settings: Settings, messages: readonly Message[]): Json {
  const { system, options, format, think } = settings;
  const first: readonly Message[] = system ? [{ role: "system", content: system }] : [];
  return {
    ...loadRequest(settings),
    messages: [...first, ...messages],
    ...(Object.keys(options).length > 0 && { options }),
    ...(format !== undefined && { format }),
    ...(think !== undefined && { think }),
  };
}

/** The body of a POST /api/generate that only loads the model. */
export function loadRequest({ model, keepAlive }: Settings): Json {
  return { model, ...(keepAlive !== undefined && { keep_alive: keepAlive }) };
}

/** The body of a POST /api/create that keeps the conversation as a model. */
export function saveRequest(name: string, settings: Settings, messages: readonly Message[]): Json {
  const { model, system, options } = settings;
  return {
    ...{ model: name, from: model },
    ...(system && { system }),
    ...(Object.keys(options).length > 0 && { parameters: options }),
    ...(messages.length > 0 && { messages }),
  };
}
