import t from "tap";
import type { Message } from "../core/inference.ts";
import { fitConversation } from "./fit-conversation.ts";

const parse = (text: string): Message[] =>
  text.split(" ").map((word) => ({
    role: word.startsWith("s") ? "system" : "user",
    content: word,
  }));

t.test("the oldest turns go; system messages and the last message stay", (t) => {
  const rows: readonly [string, number, string][] = [
    // conversation, how many messages fit, what stays
    ["u1 u2 u3", 3, "u1 u2 u3"],
    ["u1 u2 u3", 2, "u2 u3"],
    ["s u1 u2 u3 u4", 3, "s u3 u4"],
    ["u1 s u2 u3", 2, "s u3"],
    ["s1 u1 s2", 2, "s1 s2"],
    ["s u1 u2", 1, "s u2"],
    ["u1", 0, "u1"],
  ];
  for (const [conversation, count, stays] of rows) {
    const kept = fitConversation(parse(conversation), (messages) => messages.length <= count);
    t.equal(kept.map((message) => message.content).join(" "), stays, `${conversation}: ${count}`);
  }
  t.end();
});

t.test("a long conversation is tried a few times, not once for each turn", (t) => {
  let tries = 0;
  const messages = parse(Array.from({ length: 1_000 }, (_, index) => `u${index}`).join(" "));
  const kept = fitConversation(messages, (some) => {
    tries++;
    return some.length <= 123;
  });
  t.equal(kept.length, 123);
  t.ok(tries <= 12, `${tries} tries`);
  t.end();
});
