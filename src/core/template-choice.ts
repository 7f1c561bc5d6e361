import type { Capability } from "./model.ts";
import { canThink, outputFormatOf } from "./output-format.ts";

/** True when the file's Jinja template offers more (tools, thinking) than the Go TEMPLATE beside it: then it is used. */
export function prefersChatTemplate(chatTemplate: string | undefined, goTemplate: string): boolean {
  if (chatTemplate === undefined) return false;
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
