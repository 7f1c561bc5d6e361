import type { Capability } from "./model.ts";
import { canThink, outputFormatOf } from "./output-format.ts";

/**
 * True when the file's Jinja template is used rather than the Go TEMPLATE beside it: since it offers more (tools, thinking),
 * or since the model has a renderer, which is what Ollama has built in of the same template; it ignores the TEMPLATE then, too.
 */
export function prefersChatTemplate(
  chatTemplate: string | undefined,
  goTemplate: string,
  renderer?: string,
): boolean {
  if (chatTemplate === undefined) return false;
  if (renderer !== undefined) return true;
  return chatTemplateCapabilities(chatTemplate).length > goTemplateCapabilities(goTemplate).length;
}

/** Of a Jinja template. */
export function chatTemplateCapabilities(template: string): Capability[] {
  const found: Capability[] = [];
  if (template.includes("tools") || template.includes("tool_call")) found.push("tools");
  if (canThink(outputFormatOf(template))) found.push("thinking");
  return found;
}

/** The actions between the braces, their strings and comments left out. */
const ACTION = /\{\{(?!-?\s*\/\*)(.*?)\}\}/gs;
const STRING = /"(?:[^"\\\n]|\\.)*"|`[^`]*`/g;

export function goTemplateCapabilities(template: string): Capability[] {
  const actions = [...template.matchAll(ACTION)]
    .map(([, action = ""]) => action.replace(STRING, '""'))
    .join("\n");
  const found: Capability[] = [];
  if (/\.Tools\b/i.test(actions)) found.push("tools");
  if (/\.Suffix\b/i.test(actions)) found.push("insert");
  // Ollama takes the text around `.Thinking` in the loop over the messages for the tags.
  if (/\.Messages\b/.test(actions) && /\.Thinking\b/.test(actions)) found.push("thinking");
  return found;
}
