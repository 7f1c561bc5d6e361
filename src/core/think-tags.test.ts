import t from "tap";
import type { Message } from "./inference.ts";
import { withoutEarlierThinking } from "./think-tags.ts";

t.test("the thinking of earlier answers is left out", async (t) => {
  const user: Message = { role: "user", content: "<think>mine</think>hi" };
  const says = (content: string): Message => ({ role: "assistant", content });
  const rows: readonly [string, string][] = [
    ["<think>hm</think>abc", "abc"],
    ["\n<think>\nhm\n\nso\n</think>\n\nabc <think>b</think>", "abc <think>b</think>"],
    ["abc <think>hm</think>", "abc <think>hm</think>"],
    ["<think>cut off", ""],
    ["abc", "abc"],
    ["", ""],
  ];
  for (const [content, left] of rows) {
    t.same(
      withoutEarlierThinking([user, says(content), user, says(content)]),
      [user, says(left), user, says(content)],
      content,
    );
  }
  t.same(withoutEarlierThinking([says("<think>a</think>b")]), [says("<think>a</think>b")]);
});
