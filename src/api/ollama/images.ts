import { mediumKind, problemWithMedia } from "../../core/media.ts";
import type { ModelRecord } from "../../core/model.ts";
import { HttpError } from "../http/http-error.ts";
import { can } from "./find-model.ts";

/** Ollama's words for a model that sees nothing. */
const NO_VISION = "this model is missing data required for image input";
const NO_HEARING = "this model is missing data required for audio input";

/** Refuses images and sounds that cannot be shown to this model; whether each can be read is seen where the model is. */
export function requireImages(
  record: ModelRecord,
  images: readonly string[],
  details: { readonly param?: string } = {},
): void {
  const problem = missing(record, images) ?? problemWithMedia(images);
  if (problem !== undefined) throw new HttpError(400, problem, details);
}

function missing(record: ModelRecord, images: readonly string[]): string | undefined {
  const kinds = new Set(images.map(mediumKind));
  if (kinds.has("picture") && !can(record, "vision")) return NO_VISION;
  return kinds.has("sound") && !can(record, "audio") ? NO_HEARING : undefined;
}
