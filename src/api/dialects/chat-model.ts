import type { GenerateInput, GenerateRequest, Message } from "../../core/inference.ts";
import type { ModelRecord } from "../../core/model.ts";
import { HttpError } from "../http/http-error.ts";
import { can, fullNameOf, requireModel, resolveThink } from "../ollama/find-model.ts";
import { requireImages } from "../ollama/images.ts";
import { type ChosenTools, callFormat } from "./tool-choice.ts";

type Think = (GenerateInput & { readonly kind: "messages" })["think"];

/** A conversation that a model is asked to go on with. */
export interface Conversation extends ChosenTools {
  /** As the client named it. */
  readonly model: string;
  readonly messages: readonly Message[];
  /** Undefined leaves it to the model. */
  readonly think: Think;
  /** The rest, as the engine takes it. */
  readonly asked: Omit<GenerateRequest, "requestId" | "model" | "input" | "runner">;
}

const IN_MESSAGES = { param: "messages" };

/** The checks come in Ollama's order, since clients see the first that fails. */
export function requireChatModel(
  context: Parameters<typeof requireModel>[0],
  { model, tools }: Conversation,
): ModelRecord {
  if (model === "") throw new HttpError(400, "model is required", { param: "model" });
  const record = requireModel(context, model);
  if (!can(record, "completion")) throw new HttpError(400, `"${model}" does not support chat`);
  if (tools.length > 0 && !can(record, "tools")) {
    const message = `${fullNameOf(model)} does not support tools`;
    throw new HttpError(400, message, { param: "tools" });
  }
  return record;
}

export function chatRequestOf(
  requestId: string,
  record: ModelRecord,
  { model, messages, tools, mustCall, think: wanted, asked }: Conversation,
): GenerateRequest {
  // A call that must come has no room for thoughts before it.
  const think = resolveThink(record, model, mustCall ? false : wanted);
  const images = messages.flatMap((message) => message.images ?? []);
  requireImages(record, images, IN_MESSAGES);
  return {
    requestId,
    model: record.manifest,
    input: {
      kind: "messages",
      messages,
      ...(tools.length > 0 ? { tools } : {}),
      ...(think === undefined ? {} : { think }),
    },
    runner: {},
    ...asked,
    ...(mustCall ? { format: callFormat(tools) } : {}),
  };
}
