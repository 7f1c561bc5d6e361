import type { Waiting } from "../../core/ports.ts";
import { GgufError } from "../errors.ts";
import { type Gguf, readGguf } from "../gguf.ts";
import { GgufDraft } from "./gguf-draft.ts";
import { nameOldProjector, toProjector } from "./projector-layouts.ts";
import { mayNeedText, toText } from "./text-layouts.ts";

/** What llama.cpp needs in place of a file. */
export interface Translation {
  readonly model?: GgufDraft;
  /** Of what sees in the model's own file. */
  readonly projector?: GgufDraft;
}

/** Of a model's file; nothing where llama.cpp loads it as it is. */
export async function translationOf(file: string, o: Waiting): Promise<Translation> {
  const gguf = await readable(file, o);
  if (!gguf || !mayNeedText(gguf.metadata.get("general.architecture"))) return {};
  const model = await GgufDraft.read(file, gguf);
  const projector = toProjector(model);
  const isTranslated = toText(model);
  if (isTranslated) expectKnownTypes(file, model);
  if (projector) expectKnownTypes(file, projector);
  return { ...(isTranslated && { model }), ...(isTranslated && projector && { projector }) };
}

/** Of a projector's file; undefined where llama.cpp loads it as it is. */
export async function projectorTranslationOf(
  file: string,
  o: Waiting,
): Promise<GgufDraft | undefined> {
  const gguf = await readable(file, o);
  if (gguf?.metadata.get("general.architecture") !== "clip") return undefined;
  const draft = await GgufDraft.read(file, gguf);
  if (!nameOldProjector(draft)) return undefined;
  expectKnownTypes(file, draft);
  return draft;
}

/** What is wrong with a file llama.cpp may say. */
async function readable(file: string, o: Waiting): Promise<Gguf | undefined> {
  try {
    return await readGguf(file, { verbose: false }, o);
  } catch {
    o.signal.throwIfAborted();
    return undefined;
  }
}

function expectKnownTypes(file: string, draft: GgufDraft): void {
  for (const { tensor } of draft.data()) {
    if (!tensor.parts.some((part) => "end" in part && Number.isNaN(part.end))) continue;
    throw new GgufError(
      "MALFORMED",
      `${file} cannot be made what llama.cpp loads: a tensor is of a type not known here (${tensor.typeId}).`,
    );
  }
}
