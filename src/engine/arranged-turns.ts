import type { Message } from "../core/inference.ts";
import type { TemplateTraits } from "../core/jinja/traits.ts";

/**
 * The conversation in an order that the template can show: agents let the system speak in the middle, and users twice. Where it
 * cannot, all that the system says comes first and neighbours are one message, as Ollama has it for its own templates; where it
 * refuses the system, the first user says it.
 */
export function arrangedTurns(
  messages: readonly Message[],
  {
    refusesSystem,
    systemAnywhere,
    usersInARow,
  }: Pick<TemplateTraits, "refusesSystem" | "systemAnywhere" | "usersInARow">,
): readonly Message[] {
  const turns = systemAnywhere ? messages : withSystemFirst(messages);
  const shown = refusesSystem ? withUserForSystem(turns) : turns;
  return usersInARow && !refusesSystem ? shown : withUsersJoined(shown);
}

/** The user says it, in the first turn. */
function withUserForSystem(messages: readonly Message[]): readonly Message[] {
  const [first, ...others] = messages;
  return first?.role === "system" ? [{ ...first, role: "user" }, ...others] : messages;
}

function withSystemFirst(messages: readonly Message[]): readonly Message[] {
  const isSystem = ({ role }: Message): boolean => role === "system";
  const [first, ...others] = messages.filter(isSystem);
  if (!first) return messages;
  return [others.reduce(joined, first), ...messages.filter((message) => !isSystem(message))];
}

function withUsersJoined(messages: readonly Message[]): readonly Message[] {
  const turns: Message[] = [];
  for (const message of messages) {
    const last = turns.at(-1);
    if (last?.role === "user" && message.role === "user")
      turns.splice(-1, 1, joined(last, message));
    else turns.push(message);
  }
  return turns;
}

function joined(one: Message, next: Message): Message {
  return { ...one, content: `${one.content}\n\n${next.content}` };
}
