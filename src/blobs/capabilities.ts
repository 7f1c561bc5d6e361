import { CAPABILITIES, type Capability } from "../core/model.ts";
import { canThink } from "../core/output-format.ts";
import { parserFormatOf } from "../core/parser-formats.ts";
import {
  chatTemplateCapabilities,
  goTemplateCapabilities,
  prefersChatTemplate,
} from "../core/template-choice.ts";
import type { GgufFacts } from "./gguf-facts.ts";

export interface CapabilitySource {
  /** The model's own file; unset for a model whose file we cannot read. */
  readonly gguf?: Pick<GgufFacts, "pooling" | "vision" | "audio" | "chatTemplate">;
  readonly goTemplate?: string;
  /** Of its projectors' files; undefined for one that cannot be read. */
  readonly projectors: readonly (Pick<GgufFacts, "vision" | "audio"> | undefined)[];
  readonly family: string;
  /** Names of Ollama's built-in renderers and parsers. */
  readonly renderer?: string;
  readonly parser?: string;
  /** What the config says of itself; names that we do not know are left out. */
  readonly declared: readonly string[];
}

/** What a model can do, as Ollama derives it (its server/images.go), in the order of the table of capabilities. */
export function capabilitiesOf(source: CapabilitySource): Capability[] {
  const { gguf, goTemplate, renderer } = source;
  const found = new Set<string>(source.declared);
  if (gguf) {
    found.add(gguf.pooling ? "embedding" : "completion");
    if (gguf.vision) found.add("vision");
    if (gguf.audio) found.add("audio");
  }
  for (const projector of source.projectors) {
    // Ollama takes each for one that sees; older ones do not say.
    if (projector?.audio) found.add("audio");
    if (projector?.vision || !projector?.audio) found.add("vision");
  }
  const own =
    goTemplate !== undefined && !prefersChatTemplate(gguf?.chatTemplate, goTemplate, renderer)
      ? goTemplateCapabilities(goTemplate)
      : chatTemplateCapabilities(gguf?.chatTemplate ?? "");
  for (const capability of own) found.add(capability);
  // Its parser cannot read calls of tools that the template never shows it.
  if (canThink(parserFormatOf(source.parser) ?? {})) found.add("thinking");
  if (GPT_OSS_FAMILIES.has(source.family)) found.add("thinking");
  return CAPABILITIES.filter((capability) => found.has(capability));
}

const GPT_OSS_FAMILIES: ReadonlySet<string> = new Set(["gptoss", "gpt-oss"]);
