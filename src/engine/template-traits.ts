import type { Template } from "@huggingface/jinja";

/** What chat templates do not agree about. */
export interface TemplateTraits {
  /** It writes a call's arguments as they are, so they must be JSON already; others make JSON of an object. */
  readonly argumentsAsText: boolean;
  /** It refuses ids of calls that have another length than nine, or less (Mistral). */
  readonly nineCharIds: boolean;
  /** It refuses a call that comes with both thinking and content (gpt-oss). */
  readonly callsWithoutContent: boolean;
  /** It shows what the system says after the first message; others leave it out (gpt-oss) or refuse it (Mistral). */
  readonly systemAnywhere: boolean;
  /** It takes a user who speaks twice; others want turns to alternate (Gemma, Mistral). */
  readonly usersInARow: boolean;
}

const NINE_CHAR_IDS = /length\s*(?:!=|<)\s*9/;
const CALLS_WITHOUT_CONTENT = /raise_exception\(["']Cannot pass both content and thinking/;

/** Found out by looking at the source, and by rendering short conversations, as llama.cpp does. */
export function traitsOf(template: Pick<Template, "render">, source: string): TemplateTraits {
  const withObject = rendered(template, calling({ [PROBE]: 1 }));
  const withText = rendered(template, calling(JSON.stringify({ [PROBE]: 1 })));
  return {
    argumentsAsText: !withObject.includes(PROBE) && withText.includes(PROBE),
    nineCharIds: NINE_CHAR_IDS.test(source),
    callsWithoutContent: CALLS_WITHOUT_CONTENT.test(source),
    systemAnywhere: rendered(template, [SYSTEM, SYSTEM, USER, SYSTEM]).split(PROBE).length === 4,
    usersInARow: rendered(template, [USER, { ...USER, content: PROBE }]).includes(PROBE),
  };
}

const PROBE = "probe_text";
const USER = { role: "user", content: "" };
const SYSTEM = { role: "system", content: PROBE };

function calling(values: unknown): readonly unknown[] {
  const call = { id: "call00000", type: "function", function: { name: "f", arguments: values } };
  return [USER, { role: "assistant", content: "", tool_calls: [call] }];
}

function rendered(template: Pick<Template, "render">, messages: readonly unknown[]): string {
  try {
    return template.render({ messages, bos_token: "", eos_token: "" });
  } catch {
    return ""; // What it refuses it does not show.
  }
}
