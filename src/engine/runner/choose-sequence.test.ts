import t from "tap";
import { chooseSequence } from "./choose-sequence.ts";

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, index) => from + index);

t.test("chooses the free sequence", (t) => {
  const prompt = range(0, 20);
  const rows: readonly {
    readonly name: string;
    readonly free: readonly { readonly tokens: readonly number[]; readonly lastUsed: number }[];
    readonly chosen: number;
    readonly shared: number;
  }[] = [
    {
      name: "the longest shared prefix",
      free: [
        { tokens: range(0, 5), lastUsed: 1 },
        { tokens: range(0, 12), lastUsed: 9 },
      ],
      chosen: 1,
      shared: 12,
    },
    {
      name: "of equals the one unused for longest",
      free: [
        { tokens: range(0, 12), lastUsed: 5 },
        { tokens: range(0, 12), lastUsed: 3 },
      ],
      chosen: 1,
      shared: 12,
    },
    {
      name: "a first token in common is no reason to overwrite a conversation",
      free: [
        { tokens: [0, 77, 78], lastUsed: 2 },
        { tokens: [], lastUsed: 0 },
      ],
      chosen: 1,
      shared: 0,
    },
    {
      name: "one token is left to evaluate",
      free: [{ tokens: range(0, 30), lastUsed: 1 }],
      chosen: 0,
      shared: 19,
    },
  ];
  for (const { name, free, chosen, shared } of rows) {
    const choice = chooseSequence(free, prompt);
    t.equal(choice?.sequence, free[chosen], name);
    t.equal(choice?.shared, shared, name);
  }
  t.equal(chooseSequence([], prompt), undefined);
  t.end();
});
