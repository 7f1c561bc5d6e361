import { GoTemplateError } from "./go-template/errors.ts";
import { namesIn, namesInPipe } from "./go-template/names.ts";
import type { Branch, Node } from "./go-template/nodes.ts";
import { parse } from "./go-template/parser.ts";
import {
  callFormatIn,
  type Marks,
  type OutputFormat,
  thinkingIn,
  wrapperIn,
} from "./output-format.ts";

const TURN = /assistant/i;
const BEGIN_OF_TURN = /^.*assistant[^<[]*/i;
/** Marks are no longer; what is, is a sentence. */
const MARK_CHARS_MAX = 64;

/**
 * Of a model with this Go TEMPLATE. The formats that we know show themselves by their words; of all others Ollama takes what
 * stands around `.ToolCalls` and `.Thinking` in the loop over the messages for the marks, and so do we:
 *
 * - calls: the text before the first JSON object within the first branch on `.ToolCalls`, without what opens that object. Where
 *   there is none, calls are JSON at the beginning of an answer. The text behind the arguments ends a call.
 * - thinking: the texts before and after `{{ .Thinking }}`.
 */
export function goOutputFormatOf(template: string): OutputFormat {
  const nodes = nodesOf(template);
  const known = callFormatIn(template);
  if (known === "harmony") return { calls: known };
  const names = new Set(namesIn(nodes));
  const calls = known ?? (names.has("Tools") || names.has("ToolCalls") ? "json" : undefined);
  const callMarks = calls === "json" ? callMarksIn(nodes) : undefined;
  const thinking = thinkingMarksIn(nodes) ?? thinkingIn(template);
  const wrapper = wrapperIn(template);
  return {
    ...(calls && { calls }),
    ...(callMarks && { callMarks }),
    ...(thinking && { thinking }),
    ...(wrapper && { wrapper }),
  };
}

/** One that cannot be read renders nothing either; whoever renders it says so. */
function nodesOf(template: string): readonly Node[] {
  try {
    const { root, templates } = parse(template);
    return [...root, ...[...templates.values()].flat()];
  } catch (error) {
    if (error instanceof GoTemplateError) return [];
    throw error;
  }
}

function callMarksIn(nodes: readonly Node[]): Marks | undefined {
  const branch = branchesIn(nodes).find(({ pipe }) => namesInPipe(pipe).includes("ToolCalls"));
  const pieces = branch ? piecesOf(branch.list) : [];
  const at = pieces.findIndex(({ names }) => names.includes("Function"));
  const before = pieces[at - 1]?.text ?? "";
  // A list of calls may begin before the first of them.
  const line = lastLine(before.replace(/\{[\s\S]*$/, "").replace(/[[,\s]+$/, ""));
  // What begins the turn is in the prompt already.
  const open = line.replace(BEGIN_OF_TURN, "");
  if (open === "") return undefined;
  const last = pieces.findLastIndex(({ names }) => names.includes("Arguments"));
  const after = pieces[last + 1]?.text ?? "";
  const close = /^[\s}\]"'),]*(<[^<>\s]+>|\[\/[^\]\s]+\])/.exec(after)?.[1] ?? "";
  return { open, close };
}

function thinkingMarksIn(nodes: readonly Node[]): Marks | undefined {
  const loops = branchesIn(nodes).filter(
    ({ type, pipe }) => type === "range" && namesInPipe(pipe).includes("Messages"),
  );
  for (const loop of loops) {
    const pieces = piecesOf(loop.list);
    const at = pieces.findIndex(({ names }) => names.includes("Thinking"));
    if (at < 0) continue;
    const open = lastLine(pieces[at - 1]?.text ?? "");
    const close = firstLine(pieces[at + 1]?.text ?? "");
    // A mark of the turn's own may stand on the same line.
    const marks = { open: /<[^<>]+>$/.exec(open)?.[0] ?? open, close: endMark(close) };
    if (marks.open === "" || marks.close === "" || marks.open === marks.close) continue;
    if (!TURN.test(marks.open)) return marks;
  }
  return undefined;
}

function endMark(line: string): string {
  return /^<[^<>]+>/.exec(line)?.[0] ?? line;
}

/** All branches, also within others, in the order of the text. */
function branchesIn(nodes: readonly Node[]): Branch[] {
  return nodes.flatMap((node) =>
    node.type === "if" || node.type === "with" || node.type === "range"
      ? [node, ...branchesIn(node.list), ...branchesIn(node.otherwise)]
      : [],
  );
}

/** A text, or an action with the names that it speaks of. */
interface Piece {
  readonly text: string;
  readonly names: readonly string[];
}

/** In the order of the text, neighbouring texts as one: the beginnings and ends of branches do not part them. */
function piecesOf(nodes: readonly Node[]): readonly Piece[] {
  const pieces: Piece[] = [];
  const add = (node: Node): void => {
    if (node.type === "text") {
      const last = pieces.at(-1);
      const isText = last?.names.length === 0;
      if (isText) pieces.pop();
      pieces.push({ text: (isText ? last.text : "") + node.text, names: [] });
    } else if (node.type === "action") {
      // An action that speaks of nothing, such as a variable's, is a part of the text around it.
      const names = namesInPipe(node.pipe);
      if (names.length > 0) pieces.push({ text: "", names });
    } else if (node.type === "if" || node.type === "with" || node.type === "range") {
      for (const inner of [...node.list, ...node.otherwise]) add(inner);
    }
  };
  for (const node of nodes) add(node);
  return pieces;
}

function lastLine(text: string): string {
  return checked(text.trim().split("\n").at(-1) ?? "");
}

function firstLine(text: string): string {
  return checked(text.trim().split("\n")[0] ?? "");
}

function checked(line: string): string {
  const mark = line.trim();
  return mark.length > MARK_CHARS_MAX ? "" : mark;
}
