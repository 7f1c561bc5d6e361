import type { Message, ToolCall } from "../core/inference.ts";

const ID_DIGITS = 5;

/** "call" and digits: nine letters and digits, which every template takes. */
function shortId(number: number): string {
  return `call${String(number).padStart(ID_DIGITS, "0")}`;
}

interface Waiting {
  /** As the client has it. */
  readonly given: string | undefined;
  readonly call: ToolCall;
}

/**
 * Ties each tool's answer to its call, by id and by name, as templates want it: clients of Ollama's API send one of them, or
 * none. An answer without either belongs to the first call that has none yet. `renames` also puts short ids in place of the
 * client's own.
 */
export function linkedCalls(
  messages: readonly Message[],
  { renames }: { readonly renames: boolean },
): readonly Message[] {
  const waiting: Waiting[] = [];
  let count = 0;
  return messages.map((message) => {
    if (message.toolCalls?.length) {
      const toolCalls = message.toolCalls.map((call) => {
        const id = renames || call.id === undefined ? shortId(count) : call.id;
        count++;
        waiting.push({ given: call.id, call: { ...call, id } });
        return { ...call, id };
      });
      return { ...message, toolCalls };
    }
    if (message.role !== "tool") return message;
    const answered = waiting.findIndex((one) => answers(message, one));
    const [found] = waiting.splice(Math.max(answered, 0), 1);
    if (!found) return message;
    const { id = "", name } = found.call;
    return { ...message, toolCallId: id, toolName: message.toolName ?? name };
  });
}

function answers({ toolCallId, toolName }: Message, { given, call }: Waiting): boolean {
  return toolCallId === undefined ? toolName === call.name : toolCallId === given;
}
