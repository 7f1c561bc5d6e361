import { Template } from "./jinja/template.ts";
import { traitsOf } from "./jinja/traits.ts";
import type { Capability } from "./model.ts";
import { canThink, outputFormatOf } from "./output-format.ts";

/**
 * True when the file's Jinja template is used rather than the Go TEMPLATE beside it: since it offers more (tools, thinking),
 * or since the model has a renderer, which is what Ollama has built in of the same template; it ignores the TEMPLATE then, too.
 * One that speaks of tools and shows none of them, or no call, is no match for a TEMPLATE that does.
 */
export function prefersChatTemplate(
  chatTemplate: string | undefined,
  goTemplate: string,
  renderer?: string,
): boolean {
  if (chatTemplate === undefined) return false;
  if (renderer !== undefined) return true;
  const own = goTemplateCapabilities(goTemplate);
  if (chatTemplateCapabilities(chatTemplate).length <= own.length) return false;
  return !own.includes("tools") || knowsTools(chatTemplate);
}

function knowsTools(chatTemplate: string): boolean {
  try {
    const template = new Template(chatTemplate);
    const { showsTools, showsCalls, showsResults } = traitsOf(template, chatTemplate);
    return showsTools && showsCalls && showsResults;
  } catch {
    return false; // It cannot be read.
  }
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
