import t from "tap";
import type { Message } from "../core/inference.ts";
import { promptPrefix } from "./prompt-prefix.ts";

const system = { role: "system", content: "be brief" };
const user = (content: string): Message => ({ role: "user", content });
const said = { role: "assistant", content: "hello" };
const of = (messages: readonly Message[]): string => promptPrefix({ kind: "messages", messages });

t.test("all turns of a conversation have the same", (t) => {
  const first = of([system, user("hi")]);
  t.equal(of([system, user("hi"), said, user("and now?")]), first);
  t.not(of([system, user("ho")]), first);
  t.not(of([user("hi")]), first);
  t.not(of([{ role: "system", content: "be long" }, user("hi")]), first);
  t.end();
});

t.test("without a user's message, all that there is", (t) => {
  t.not(of([system]), of([system, said]));
  t.equal(of([]), "");
  t.end();
});

t.test("long texts count by their beginning", (t) => {
  const long = "x".repeat(2_000);
  t.equal(of([user(`${long}a`)]), of([user(`${long}b`)]));
  t.equal(promptPrefix({ kind: "prompt", prompt: long }).length, 1_024);
  t.end();
});
