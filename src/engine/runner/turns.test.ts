import t from "tap";
import { Turns } from "./turns.ts";

t.test("one after the other, whoever leaves before its turn", async (t) => {
  const turns = new Turns();
  const come: string[] = [];
  const [first, second, third] = ["first", "second", "third"].map((name) => {
    const turn = turns.take();
    void turn.come.then(() => come.push(name));
    return turn;
  });
  await first?.come;
  second?.end();
  await Promise.resolve();
  t.same(come, ["first"]);
  first?.end();
  first?.end();
  await third?.come;
  t.same(come, ["first", "second", "third"]);
  {
    using _ = turns.take();
    third?.end();
  }
  await turns.take().come;
});
