import type { Template } from "./template.ts";

/** What chat templates do not agree about. */
export interface TemplateTraits {
  /** It writes a call's arguments as they are, so they must be JSON already; others make JSON of an object. */
  readonly argumentsAsText: boolean;
  /** It refuses ids of calls that have another length than nine, or less (Mistral). */
  readonly nineCharIds: boolean;
  /** It refuses a call that comes with both thinking and content (gpt-oss). */
  readonly callsWithoutContent: boolean;
  /** It shows a call only where there is no content at all (DeepSeek). */
  readonly callsWithNull: boolean;
  /** It refuses a message with two calls (Llama 3). */
  readonly singleCalls: boolean;
  /** It shows the tools that there are, calls of them, and what they answered; others know nothing of them (Granite, Command R7B). */
  readonly showsTools: boolean;
  readonly showsCalls: boolean;
  readonly showsResults: boolean;
  /** It wants a list of typed parts where others want a text (Llama Guard 3). */
  readonly contentAsParts: boolean;
  /** The same of what the system says (Gemma 3). */
  readonly systemAsParts: boolean;
  /** It refuses what the system says (Gemma 2, early Mistral); others show it, or leave it out as their authors want it. */
  readonly refusesSystem: boolean;
  /** It shows what the system says after the first message; others leave it out (gpt-oss) or refuse it (Mistral). */
  readonly systemAnywhere: boolean;
  /** It takes a user who speaks twice; others want turns to alternate (Gemma, Mistral). */
  readonly usersInARow: boolean;
}

const NINE_CHAR_IDS = /length\s*(?:!=|<)\s*9/;
const CALLS_WITHOUT_CONTENT = /raise_exception\(["']Cannot pass both content and thinking/;

/** Found out by looking at the source, and by rendering short conversations, as llama.cpp does. */
export function traitsOf(template: Pick<Template, "render">, source: string): TemplateTraits {
  const render = (messages: readonly Turn[], tools?: readonly unknown[]): string =>
    rendered(template, messages, tools);
  const shows = (...messages: readonly Turn[]): boolean => render(messages).includes(PROBE);
  const takesParts = shows(said("user", contentOf(PROBE, true)));
  const refuses = (...messages: readonly Turn[]): boolean => !isTaken(template, messages);
  const contentAsParts = takesParts && !shows(said("user", PROBE));
  const user = said("user", contentOf("", contentAsParts));
  const asText = shows(said("system", PROBE), user);
  const systemAsParts = !asText && shows(said("system", contentOf(PROBE, true)), user);
  const system = said("system", contentOf(PROBE, systemAsParts));
  const { call, ...calls } = callTraits(user, contentOf("", contentAsParts), render);
  const twice = { ...call, tool_calls: [...call.tool_calls, ...call.tool_calls] };
  const answer = {
    ...said("tool", contentOf(PROBE, contentAsParts)),
    ...{ name: "f", tool_name: "f", tool_call_id: CALL_ID },
  };
  const plainCall = JSON.parse(JSON.stringify(call).replaceAll(PROBE, "x")) as Call;
  return {
    ...calls,
    nineCharIds: NINE_CHAR_IDS.test(source),
    callsWithoutContent: CALLS_WITHOUT_CONTENT.test(source),
    singleCalls: calls.showsCalls && !shows(user, twice),
    showsTools: render([user], [TOOL]).includes(PROBE),
    showsResults: shows(user, plainCall, answer),
    contentAsParts,
    systemAsParts,
    refusesSystem: !asText && !systemAsParts && refuses(system, user) && !refuses(user),
    systemAnywhere: render([system, system, user, system]).split(PROBE).length === 4,
    usersInARow: shows(user, said("user", contentOf(PROBE, contentAsParts))),
  };
}

/** The first form of a call that it shows, and shows as JSON if there is one; the plainest when there is none. */
function callTraits(
  user: Turn,
  empty: unknown,
  render: (messages: readonly Turn[]) => string,
): Pick<TemplateTraits, "argumentsAsText" | "callsWithNull" | "showsCalls"> & {
  readonly call: Call;
} {
  const values = { [PROBE]: 1 };
  const plainest = { argumentsAsText: false, callsWithNull: false };
  const forms = [
    plainest,
    { argumentsAsText: true, callsWithNull: false },
    { argumentsAsText: false, callsWithNull: true },
    { argumentsAsText: true, callsWithNull: true },
  ];
  const callIn = ({ argumentsAsText, callsWithNull }: typeof plainest): Call =>
    calling(argumentsAsText ? JSON.stringify(values) : values, callsWithNull ? null : empty);
  const shown = forms.filter((one) => render([user, callIn(one)]).includes(PROBE));
  const form = shown.find((one) => !PYTHON_OBJECT.test(render([user, callIn(one)]))) ?? shown[0];
  return { ...(form ?? plainest), showsCalls: form !== undefined, call: callIn(form ?? plainest) };
}

/** A message's text as a template wants it. */
export function contentOf(text: string, asParts: boolean): unknown {
  return asParts ? [{ type: "text", text }] : text;
}

const PROBE = "probe_text";
/** As Python prints one that is not inside of another: what was meant is a text. */
const PYTHON_OBJECT = /\{'probe_text': 1\}(?!\})/;
const CALL_ID = "call00000";
const TOOL = {
  type: "function",
  function: {
    ...{ name: PROBE, description: "" },
    parameters: { type: "object", properties: {}, required: [] },
  },
};

interface Turn {
  readonly role: string;
  readonly content: unknown;
}

interface Call extends Turn {
  readonly tool_calls: readonly unknown[];
}

function said(role: string, content: unknown): Turn {
  return { role, content };
}

function calling(values: unknown, content: unknown): Call {
  const call = { id: CALL_ID, type: "function", function: { name: "f", arguments: values } };
  return { role: "assistant", content, tool_calls: [call] };
}

function isTaken(template: Pick<Template, "render">, messages: readonly Turn[]): boolean {
  try {
    template.render({ messages, bos_token: "", eos_token: "" });
    return true;
  } catch {
    return false;
  }
}

function rendered(
  template: Pick<Template, "render">,
  messages: readonly Turn[],
  tools?: readonly unknown[],
): string {
  try {
    return template.render({ messages, ...(tools && { tools }), bos_token: "", eos_token: "" });
  } catch {
    return ""; // What it refuses it does not show.
  }
}
