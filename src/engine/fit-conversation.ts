import type { Message } from "../core/inference.ts";

/**
 * Drops the oldest turns until the conversation fits, as Ollama does: system messages and the last message always stay. The
 * result may still be too long, when nothing that may go is left. `fits` is expensive (it renders and tokenizes), and what
 * fits still fits with less, so the number of turns to drop is found by bisection.
 */
export function fitConversation(
  messages: readonly Message[],
  fits: (messages: readonly Message[]) => boolean,
): readonly Message[] {
  if (fits(messages)) return messages;
  const droppable = messages.flatMap((message, index) =>
    message.role !== "system" && index < messages.length - 1 ? [index] : [],
  );
  const without = (count: number): readonly Message[] => {
    const dropped = new Set(droppable.slice(0, count));
    return messages.filter((_, index) => !dropped.has(index));
  };
  let tooFew = 0;
  let enough = droppable.length;
  while (enough - tooFew > 1) {
    const middle = Math.floor((tooFew + enough) / 2);
    if (fits(without(middle))) enough = middle;
    else tooFew = middle;
  }
  return without(enough);
}
