import { AppError } from "../../core/errors.ts";

/** Of a form as RFC 7578 has it. */
export interface FormPart {
  readonly name: string;
  readonly isFile: boolean;
  /** The form's own bytes, not a copy of them. */
  readonly body: Buffer;
}

export class FormError extends AppError<"FORM_INVALID"> {}

/**
 * The parts of a form, in order; those without a name are left out, as in Go. Node's own parser copies a file four times, which
 * keeps everybody else waiting, and takes no quote in a file's name that a backslash stands before, as Go's clients send it.
 */
export function parseMultipart(
  body: Buffer,
  boundary: string,
  partsMax: number,
): readonly FormPart[] {
  const parts: FormPart[] = [];
  let count = 0;
  let mark = nextMark(body, boundary, 0);
  if (!mark) throw invalid("multipart: NextPart: EOF");
  while (!mark.isLast) {
    if (++count > partsMax) throw invalid("multipart: message too large");
    const head = headAt(body, mark.end);
    // The line break before a mark is the mark's, also where it ends the head too.
    const next = nextMark(body, boundary, head.end - BREAK.length);
    if (!next) throw invalid("unexpected EOF");
    const known = named(head.text);
    if (known) parts.push({ ...known, body: body.subarray(head.end, next.at) });
    mark = next;
  }
  return parts;
}

const BREAK = "\r\n";
/** Between a mark and the end of its line there may be padding (RFC 2046 §5.1.1). */
const AFTER_MARK = /^(?:(--)|[ \t]*\r\n)/;
const PADDING_MAX = 64;

interface Mark {
  /** With the line break before it. */
  readonly at: number;
  readonly end: number;
  readonly isLast: boolean;
}

/** What only looks like one is a part's own. */
function nextMark(body: Buffer, boundary: string, from: number): Mark | undefined {
  const line = `--${boundary}`;
  for (let at = body.indexOf(line, from); at >= 0; at = body.indexOf(line, at + line.length)) {
    const begin = at - BREAK.length;
    const isFirst = at === 0;
    if (!isFirst && body.toString("latin1", Math.max(0, begin), at) !== BREAK) continue;
    const end = at + line.length;
    const found = AFTER_MARK.exec(body.toString("latin1", end, end + PADDING_MAX));
    if (!found) continue;
    const isLast = found[1] !== undefined;
    return { at: isFirst ? at : begin, end: end + found[0].length, isLast };
  }
  return undefined;
}

const HEAD_BYTES_MAX = 16 * 1_024;

function headAt(body: Buffer, at: number): { readonly text: string; readonly end: number } {
  const window = body.subarray(at, at + HEAD_BYTES_MAX);
  if (window.indexOf(BREAK) === 0) return { text: "", end: at + BREAK.length };
  const length = window.indexOf(BREAK + BREAK);
  if (length < 0) {
    throw invalid(
      window.length < HEAD_BYTES_MAX ? "unexpected EOF" : "multipart: message too large",
    );
  }
  return { text: window.toString("utf8", 0, length), end: at + length + 2 * BREAK.length };
}

const PARAMETER = /;\s*([^\s=;]+)\s*=\s*("(?:\\.|[^"\\])*"|[^;]*)/g;

/** A file is what has a file's name, whatever that is. */
function named(head: string): Pick<FormPart, "name" | "isFile"> | undefined {
  // A line that begins with a space goes on from the one before.
  const lines = head.replace(/\r\n[ \t]+/g, " ").split(BREAK);
  const disposition = lines
    .map((line) => /^content-disposition:\s*form-data\s*(;.*)$/i.exec(line)?.[1])
    .find((parameters) => parameters !== undefined);
  const parameters = new Map(
    Array.from(disposition?.matchAll(PARAMETER) ?? [], ([, name = "", value = ""]) => [
      name.toLowerCase(),
      value.trim(),
    ]),
  );
  const name = unquoted(parameters.get("name") ?? "");
  if (name === "") return undefined;
  return { name, isFile: parameters.has("filename") || parameters.has("filename*") };
}

function unquoted(value: string): string {
  return value.startsWith('"') ? value.slice(1, -1).replace(/\\(.)/g, "$1") : value;
}

/** In Go's words. */
function invalid(why: string): FormError {
  return new FormError("FORM_INVALID", why);
}
