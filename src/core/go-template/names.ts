import type { Node, Operand, Pipe } from "./nodes.ts";

/** The names of all fields that are spoken of, as they are written. */
export function namesIn(nodes: readonly Node[]): string[] {
  return nodes.flatMap((node) => {
    if (node.type === "action") return namesInPipe(node.pipe);
    if (node.type === "template") return node.pipe ? namesInPipe(node.pipe) : [];
    if (node.type !== "if" && node.type !== "with" && node.type !== "range") return [];
    return [...namesInPipe(node.pipe), ...namesIn(node.list), ...namesIn(node.otherwise)];
  });
}

export function namesInPipe({ commands }: Pipe): string[] {
  return commands.flat().flatMap(namesInOperand);
}

function namesInOperand(operand: Operand): string[] {
  if (operand.type === "pipe") return namesInPipe(operand.pipe);
  return operand.type === "fields" ? [...namesInOperand(operand.of), ...operand.names] : [];
}
