/** What somebody has typed, once it is whole. A command is a line that begins with a slash. */
export interface Entry {
  readonly kind: "message" | "system" | "command";
  readonly text: string;
}

/** A text between `"""` whose end has not come yet. */
export interface OpenBlock {
  readonly kind: "message" | "system";
  readonly text: string;
}

/** Neither: the text was empty. */
export interface Step {
  readonly open?: OpenBlock;
  readonly entry?: Entry;
}

const QUOTES = '"""';
const SET_SYSTEM = /^\/set\s+system\s+(\S.*)$/s;

/**
 * One text after another, as Ollama reads them: a block goes on until a line ends with its quotes, whatever else is in it. What is
 * pasted has several lines, and is no command even where it begins like one, as a comment of C does.
 */
export function takeText(open: OpenBlock | undefined, typed: string): Step {
  if (open) return goOn(open, typed.trimEnd().endsWith(QUOTES) ? typed.trimEnd() : typed);
  const text = typed.trim();
  if (text === "") return {};
  const [, system] = SET_SYSTEM.exec(text) ?? [];
  if (system !== undefined) return begin("system", system);
  if (text.startsWith("/") && !text.includes("\n")) return { entry: { kind: "command", text } };
  return begin("message", text);
}

function begin(kind: OpenBlock["kind"], text: string): Step {
  if (!text.startsWith(QUOTES)) return { entry: { kind, text } };
  return goOn({ kind, text: "" }, text.slice(QUOTES.length));
}

function goOn({ kind, text }: OpenBlock, line: string): Step {
  if (!line.endsWith(QUOTES)) return { open: { kind, text: `${text}${line}\n` } };
  const whole = text + line.slice(0, -QUOTES.length);
  // A question that says nothing is none.
  return kind === "message" && whole.trim() === "" ? {} : { entry: { kind, text: whole } };
}
