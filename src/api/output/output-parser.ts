import { CALL_FORMATS, type OutputFormat, type ThinkingMarks } from "../../core/output-format.ts";
import type { CallFamily } from "./call-family.ts";
import { Cursor, type Parse } from "./cursor.ts";
import { CALL_FAMILIES } from "./families.ts";
import { parseHarmony } from "./harmony.ts";
import type { OutputPart } from "./output-part.ts";
import type { Tools } from "./tools.ts";

/**
 * Takes the raw text of one answer apart, in pieces of any size, into what is thought, what is said and which tools are
 * called. Text is held back only while it may still become a mark or a call; what becomes neither comes out as it was.
 */
export class OutputParser {
  readonly #cursor = new Cursor();
  readonly #steps: Parse<void>;

  /** Calls are looked for when there are tools; their names tell calls from answers where the format does not. */
  constructor(format: OutputFormat, tools: Tools) {
    this.#steps = parse(this.#cursor, format, tools);
  }

  push(text: string): readonly OutputPart[] {
    this.#cursor.add(text);
    return this.#parts();
  }

  /** What was held back, once nothing follows. */
  end(): readonly OutputPart[] {
    this.#cursor.end();
    return this.#parts();
  }

  /** As far as the text goes that has come. */
  #parts(): readonly OutputPart[] {
    const parts: OutputPart[] = [];
    for (;;) {
      const { done, value } = this.#steps.next();
      if (done || value === undefined) return parts;
      parts.push(value);
    }
  }
}

function* parse(cursor: Cursor, format: OutputFormat, tools: Tools): Parse<void> {
  if (format.calls === "harmony") return yield* parseHarmony(cursor, tools);
  const known = familyOf(format);
  const family = tools.size === 0 ? undefined : known;
  const { thinking, beginsThinking = false } = format;
  if (thinking) yield* thought(cursor, { marks: thinking, begun: beginsThinking }, family, tools);
  const silent = known?.silent ?? [];
  const marks = [...(family?.marks ?? []), ...silent];
  if (family?.bare) yield* givenOut(cursor, family.bare(cursor, tools));
  for (;;) {
    const mark = yield* cursor.textUntil(marks, "content", { withSpaces: marks.length > 0 });
    if (mark === undefined) return;
    if (silent.includes(mark)) cursor.drop();
    else if (family) yield* givenOut(cursor, family.calls(cursor, tools, mark));
  }
}

function familyOf(format: OutputFormat): CallFamily | undefined {
  const known = CALL_FORMATS.find((name) => name === format.calls);
  return known === undefined || known === "harmony" ? undefined : CALL_FAMILIES[known];
}

/** Reads calls; what was none is content, but for the spaces after a call, which belong to it. */
function* givenOut(cursor: Cursor, calls: Parse<boolean>): Parse<void> {
  if (yield* calls) {
    yield* cursor.spaces();
    if (cursor.held.trim() === "") cursor.drop();
  }
  yield* cursor.give("content");
}

/** A block of thinking, which stands before everything else. The spaces around its marks belong to them. */
function* thought(
  cursor: Cursor,
  { marks: { open, close }, begun }: { readonly marks: ThinkingMarks; readonly begun: boolean },
  family: CallFamily | undefined,
  tools: Tools,
): Parse<void> {
  yield* cursor.spaces();
  // Some models open the block that their prompt has opened once more.
  if (!(yield* cursor.word(open)) && !begun) return cursor.back();
  yield* cursor.spaces();
  cursor.drop();
  const marks = [close, ...(family?.marks ?? [])];
  for (;;) {
    const mark = yield* cursor.textUntil(marks, "thinking", { withSpaces: true });
    if (mark === undefined) return;
    if (mark === close) break;
    // Models forget to end the block before they call; but they also think about how to call.
    if (family && (yield* family.calls(cursor, tools, mark))) {
      if (cursor.held.trim() !== "") yield* cursor.give("content");
      yield* cursor.spaces();
      yield* cursor.word(close);
      break;
    }
    yield* cursor.give("thinking");
  }
  cursor.drop();
  yield* cursor.spaces();
  cursor.drop();
}
