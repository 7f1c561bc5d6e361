import t from "tap";
import { parseNodeId } from "../core/node-id.ts";
import { type KnownPeer, whomToDial } from "./dial-plan.ts";

const LETTERS = "ABCDEFGH";
const peer = (letter: string, change: Partial<KnownPeer> = {}): KnownPeer => {
  const id = parseNodeId(`12D3Koo${letter.repeat(45)}`);
  if (!id) throw new Error("not a node id");
  return { id, multiaddrs: [], failures: 0, nextTryMs: 0, dialling: false, ...change };
};
const names = (peers: readonly KnownPeer[]) => peers.map(({ id }) => id.slice(-1)).join("");
const all = [...LETTERS].map((letter) => peer(letter));
const wide = { connectedMax: 100, diallingMax: 100 };

t.test("whom to dial", async (t) => {
  const connectedTo = (letters: string) => new Set([...letters].map((letter) => peer(letter).id));
  const rows: readonly (readonly [string, KnownPeer[], string, typeof wide, string])[] = [
    ["everyone at first", all, "", wide, LETTERS],
    ["not those that are connected", all, "ABC", wide, "DEFGH"],
    [
      "not before its time",
      [peer("A", { nextTryMs: 1_001 }), peer("B", { nextTryMs: 1_000 })],
      "",
      wide,
      "B",
    ],
    ["not twice", [peer("A", { dialling: true }), peer("B")], "", wide, "B"],
    [
      "the least failed first",
      [peer("A", { failures: 3 }), peer("B", { failures: 1 }), peer("C")],
      "",
      { ...wide, diallingMax: 2 },
      "CB",
    ],
    ["a full mesh only up to its size", all, "AB", { ...wide, connectedMax: 4 }, "CD"],
    [
      "dials under way count",
      [peer("A", { dialling: true }), ...all.slice(1)],
      "H",
      { ...wide, connectedMax: 4 },
      "BC",
    ],
    ["a mesh that is too large already", all, "ABCD", { ...wide, connectedMax: 3 }, ""],
  ];
  for (const [name, peers, connected, limits, expected] of rows) {
    t.equal(names(whomToDial(peers, connectedTo(connected), 1_000, limits)), expected, name);
  }
});
