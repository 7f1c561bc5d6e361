import type { ModelRecord } from "../../core/model.ts";
import { problemWithPictures } from "../../core/picture.ts";
import { HttpError } from "../http/http-error.ts";
import { can } from "./find-model.ts";

/** Ollama's words for a model that sees nothing. */
const NO_VISION = "this model is missing data required for image input";

/** Refuses images that cannot be shown to this model; whether each can be read is seen where the model is. */
export function requireImages(
  record: ModelRecord,
  images: readonly string[],
  details: { readonly param?: string } = {},
): void {
  if (images.length === 0) return;
  const problem = can(record, "vision") ? problemWithPictures(images) : NO_VISION;
  if (problem !== undefined) throw new HttpError(400, problem, details);
}
