import type { Message } from "../core/inference.ts";
import type { TemplateTraits } from "../core/jinja/traits.ts";

type Traits = Pick<TemplateTraits, "showsCalls" | "showsResults" | "singleCalls" | "callsWithNull">;

/**
 * Calls and what tools answered in the form that a template shows: in words, as llama.cpp has them, where it shows none; one to a
 * message, each with its answer behind it, where it takes no more; behind what was said with them, where it shows them only
 * without. Each answer has its call's id.
 */
export function toldCalls(messages: readonly Message[], traits: Traits): readonly Message[] {
  const turns = traits.singleCalls ? withSingleCalls(messages) : messages;
  return turns.flatMap((message): Message | readonly Message[] => {
    if (message.role === "tool") return traits.showsResults ? message : resultInWords(message);
    const { toolCalls = [], ...words } = message;
    if (toolCalls.length === 0) return message;
    if (!traits.showsCalls) return callsInWords(message);
    if (!traits.callsWithNull || message.content === "") return message;
    return [words, { role: message.role, content: "", toolCalls }];
  });
}

function callsInWords({ toolCalls = [], ...message }: Message): Message {
  const calls = toolCalls.map(({ id, name, arguments: given }) => ({ name, arguments: given, id }));
  const words = JSON.stringify({ tool_calls: calls });
  return { ...message, content: message.content === "" ? words : `${message.content}\n${words}` };
}

function resultInWords({ content, toolName, toolCallId }: Message): Message {
  const answer = { tool: toolName, content, tool_call_id: toolCallId };
  return { role: "user", content: JSON.stringify({ tool_response: answer }) };
}

function withSingleCalls(messages: readonly Message[]): readonly Message[] {
  const told = new Set<Message>();
  return messages.flatMap((message, at) => {
    if (told.has(message)) return [];
    const { toolCalls = [] } = message;
    if (toolCalls.length < 2) return [message];
    const end = messages.findIndex(({ role }, place) => place > at && role !== "tool");
    const answers = messages.slice(at + 1, end < 0 ? undefined : end);
    return toolCalls.flatMap((call, index): readonly Message[] => {
      const answer = answers.find((one) => one.toolCallId === call.id);
      if (answer) told.add(answer);
      const { thinking: _said, ...later } = message;
      const turn = index === 0 ? message : { ...later, content: "" };
      return [{ ...turn, toolCalls: [call] }, ...(answer ? [answer] : [])];
    });
  });
}
