import type { Template } from "@huggingface/jinja";

/** What chat templates do not agree about. */
export interface TemplateTraits {
  /** It writes a call's arguments as they are, so they must be JSON already; others make JSON of an object. */
  readonly argumentsAsText: boolean;
  /** It refuses ids of calls that have another length than nine, or less (Mistral). */
  readonly nineCharIds: boolean;
  /** It refuses a call that comes with both thinking and content (gpt-oss). */
  readonly callsWithoutContent: boolean;
}

const NINE_CHAR_IDS = /length\s*(?:!=|<)\s*9/;
const CALLS_WITHOUT_CONTENT = /raise_exception\(["']Cannot pass both content and thinking/;

/** Found out by looking at the source, and by rendering a conversation with one call in it, as llama.cpp does. */
export function traitsOf(template: Pick<Template, "render">, source: string): TemplateTraits {
  const withObject = rendered(template, { [PROBE]: 1 });
  const withText = rendered(template, JSON.stringify({ [PROBE]: 1 }));
  return {
    argumentsAsText: !withObject.includes(PROBE) && withText.includes(PROBE),
    nineCharIds: NINE_CHAR_IDS.test(source),
    callsWithoutContent: CALLS_WITHOUT_CONTENT.test(source),
  };
}

const PROBE = "probe_argument";

function rendered(template: Pick<Template, "render">, values: unknown): string {
  const call = { id: "call00000", type: "function", function: { name: "f", arguments: values } };
  try {
    return template.render({
      messages: [
        { role: "user", content: "" },
        { role: "assistant", content: "", tool_calls: [call] },
      ],
      bos_token: "",
      eos_token: "",
    });
  } catch {
    return ""; // What it refuses of this, it refuses of everybody.
  }
}
