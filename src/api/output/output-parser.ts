import {
  CALL_FORMATS,
  CHANNEL_OPEN,
  type Marks,
  type OutputFormat,
  spellingsOf,
} from "../../core/output-format.ts";
import { markedByTemplate } from "./bare-calls.ts";
import type { CallFamily } from "./call-family.ts";
import { Cursor, type Parse } from "./cursor.ts";
import { CALL_FAMILIES } from "./families.ts";
import { parseFunctionary } from "./functionary.ts";
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
  if (format.calls === "functionary") return yield* parseFunctionary(cursor, tools);
  const known = familyOf(format);
  const family = tools.size === 0 ? undefined : known;
  const { thinking, beginsThinking = false, wrapper } = format;
  if (thinking) {
    const block = { marks: thinking, family, tools };
    let begun = beginsThinking;
    while (yield* thought(cursor, block, begun)) begun = false;
  }
  const silent = [...(known?.silent ?? [])];
  if (wrapper && (yield* wrapperBegins(cursor, wrapper.open))) silent.push(wrapper.close);
  const marks = [...(family?.marks ?? []), ...silent];
  if (family?.bare) yield* givenOut(cursor, family.bare(cursor, tools));
  for (;;) {
    const mark = yield* cursor.textUntil(marks, "content", { withSpaces: marks.length > 0 });
    if (mark === undefined) return;
    if (silent.includes(mark)) yield* silence(cursor);
    else if (family) yield* givenOut(cursor, family.calls(cursor, tools, mark));
  }
}

function familyOf({ calls, callMarks }: OutputFormat): CallFamily | undefined {
  const known = CALL_FORMATS.find((name) => name === calls);
  if (known === undefined || known === "harmony" || known === "functionary") return undefined;
  return known === "json" ? markedByTemplate(callMarks) : CALL_FAMILIES[known];
}

/** Reads calls; what was none is content, but for the spaces after a call, which belong to it. */
function* givenOut(cursor: Cursor, calls: Parse<boolean>): Parse<void> {
  if (yield* calls) {
    yield* cursor.spaces();
    if (cursor.held.trim() === "") cursor.drop();
  }
  yield* cursor.give("content");
}

/** Some put the whole answer between marks. */
function* wrapperBegins(cursor: Cursor, open: string): Parse<boolean> {
  yield* cursor.spaces();
  const begins = yield* cursor.word(open);
  if (!begins) cursor.back();
  else yield* cursor.spaces();
  cursor.drop();
  return begins;
}

/** A mark is no part of what is said, nor are the spaces between it and the end. */
function* silence(cursor: Cursor): Parse<void> {
  cursor.drop();
  yield* cursor.spaces();
  if (yield* cursor.isOver()) cursor.drop();
}

interface Block {
  readonly marks: Marks;
  readonly family: CallFamily | undefined;
  readonly tools: Tools;
}

/** Gemma 4 says what its channel is for; its name is no thought. */
const CHANNEL_NAME = "thought\n";

/**
 * A block of thinking, which stands before everything else. The spaces around its marks belong to them. False when none comes,
 * or no text after it.
 */
function* thought(cursor: Cursor, block: Block, begun: boolean): Parse<boolean> {
  const { marks, family, tools } = block;
  const closes = spellingsOf(marks.close);
  yield* cursor.spaces();
  // Some models open the block that their prompt has opened once more.
  if (!(yield* cursor.oneOf(spellingsOf(marks.open))) && !begun) {
    cursor.back();
    return false;
  }
  if (marks.open === CHANNEL_OPEN) yield* cursor.word(CHANNEL_NAME);
  yield* cursor.spaces();
  cursor.drop();
  for (;;) {
    const ends = [...closes, ...(family?.marks ?? [])];
    const mark = yield* cursor.textUntil(ends, "thinking", { withSpaces: true });
    if (mark === undefined) return false;
    if (closes.includes(mark)) break;
    // Models forget to end the block before they call; but they also think about how to call.
    if (family && (yield* family.calls(cursor, tools, mark))) {
      if (cursor.held.trim() !== "") yield* cursor.give("content");
      yield* cursor.spaces();
      yield* cursor.oneOf(closes);
      break;
    }
    yield* cursor.give("thinking");
  }
  cursor.drop();
  yield* cursor.spaces();
  cursor.drop();
  return true;
}
