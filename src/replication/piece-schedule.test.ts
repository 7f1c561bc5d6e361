import fc from "fast-check";
import t from "tap";
import { testNodeId } from "../../test/fixtures/registry-rows.ts";
import type { NodeId } from "../core/node-id.ts";
import { seededRandom } from "../core/random.ts";
import { bitmapOf, isSet } from "./bitmap.ts";
import type { Ask } from "./blob-peer.ts";
import { type Chance, PieceSchedule } from "./piece-schedule.ts";
import type { Have } from "./wire.ts";

const [A, B, C] = [1, 2, 3].map(testNodeId) as [NodeId, NodeId, NodeId];
const CHANCE: Chance = { nowMs: 0, count: 1, relays: false, repeatAfterMs: 1_000 };

/** "x" is there: "x.x" are pieces 0 and 2. */
function bits(text: string): Uint8Array {
  return bitmapOf(text.length, (piece) => text[piece] === "x");
}

function schedule(there: string, sources: readonly [NodeId, string][], seed = 1): PieceSchedule {
  const made = new PieceSchedule(there.length, (piece) => there[piece] === "x", seededRandom(seed));
  for (const [node, have] of sources) made.setSource(node, have === "all" ? "whole" : bits(have));
  return made;
}

t.test("what a source is asked for", (t) => {
  const rows: [string, string, [NodeId, string][], Partial<Chance>, Ask | undefined][] = [
    ["the next from the start", "x..", [[A, "all"]], {}, ask([1])],
    ["several", "...", [[A, "all"]], { count: 2 }, ask([0, 1])],
    ["no more than is missing", "xx.", [[A, "all"]], { count: 8 }, ask([2])],
    ["nothing is missing", "xxx", [[A, "all"]], {}, undefined],
    ["no source", "...", [[B, "all"]], {}, undefined],
    ["what it has", "...", [[A, ".x."]], {}, ask([1])],
    ["it has nothing of use", "x..", [[A, "x.."]], {}, undefined],
    [
      "the rarest",
      "...",
      [
        [A, "xx."],
        [B, "x.x"],
      ],
      {},
      ask([1]),
    ],
    [
      "then the others",
      "...",
      [
        [A, "xx."],
        [B, "x.x"],
      ],
      { count: 2 },
      ask([1, 0]),
    ],
    [
      "of all, what nobody else has",
      "...",
      [
        [A, "all"],
        [B, "xx."],
      ],
      { relays: true },
      offer([2]),
    ],
    [
      "of all, nothing that others have",
      "..",
      [
        [A, "all"],
        [B, "xx"],
      ],
      { relays: true },
      undefined,
    ],
    [
      "relays do not matter",
      "..",
      [
        [A, "all"],
        [B, "xx"],
      ],
      { relays: false },
      ask([0]),
    ],
  ];
  for (const [row, there, sources, chance, expected] of rows) {
    t.same(schedule(there, sources).take(A, { ...CHANCE, ...chance }), expected, row);
  }
  t.end();
});

function ask(offered: readonly number[]): Ask {
  return { offered, count: offered.length, again: true };
}

function offer(offered: readonly number[]): Ask {
  return { offered, count: 1, again: false };
}

t.test("nobody is asked for what another is asked for, until it takes too long", (t) => {
  const made = schedule("..", [
    [A, "all"],
    [B, "all"],
    [C, "all"],
  ]);
  t.same(made.take(A, CHANCE), ask([0]));
  t.same(made.take(B, { ...CHANCE, nowMs: 10 }), ask([1]));
  t.equal(made.take(C, { ...CHANCE, nowMs: 1_000 }), undefined);
  t.equal(made.take(A, { ...CHANCE, nowMs: 1_001 }), undefined, "not of the same twice");
  t.same(made.take(C, { ...CHANCE, nowMs: 1_001 }), ask([0]), "the oldest");
  t.same(made.take(C, { ...CHANCE, nowMs: 1_011 }), ask([1]));
  t.equal(made.take(B, { ...CHANCE, nowMs: 9_999 }), undefined, "two at most");
  t.ok(made.received(0));
  t.notOk(made.received(0), "the second one comes for nothing");
  t.equal(made.missing, 1);
  t.end();
});

t.test("what was asked in vain is asked of others", (t) => {
  const made = schedule("..", [
    [A, "all"],
    [B, "all"],
  ]);
  const asked = made.take(A, { ...CHANCE, count: 2 });
  t.equal(made.take(B, CHANCE), undefined);
  if (asked) made.release(asked);
  t.same(made.take(B, CHANCE), ask([0]));
  t.end();
});

t.test("what a source has given to others comes from them, or later", (t) => {
  const made = schedule("...", [
    [A, "all"],
    [B, "all"],
  ]);
  const chance = { ...CHANCE, relays: true };
  const first = made.take(A, chance);
  t.match(first, { count: 1, again: false });
  t.equal(first?.offered.length, 3);
  if (!first) return t.end();
  made.granted(A, first, [], 100);
  t.equal(made.take(A, { ...chance, nowMs: 200 }), undefined, "not yet");
  const other = made.take(B, { ...chance, nowMs: 200 });
  t.match(other, { again: false }, "another one may still give it");
  if (other) made.release(other);
  made.setSource(C, bits("x.."));
  const later = made.take(A, { ...chance, nowMs: 10_200 });
  t.match(later, { count: 1, again: true });
  t.same(later?.offered.toSorted(), [1, 2], "but what C has");
  if (later) made.granted(A, later, [1], 10_300);
  t.equal(made.take(A, { ...chance, nowMs: 11_200 }), undefined, "one now and then");
  t.same(made.take(A, { ...chance, nowMs: 11_300 })?.offered, [2]);
  t.end();
});

t.test("a relay that goes takes back what it promised", (t) => {
  const made = schedule("..", [
    [A, "all"],
    [B, "xx"],
  ]);
  t.equal(made.take(A, { ...CHANCE, relays: true }), undefined);
  made.setSource(B, undefined);
  t.same(made.take(A, { ...CHANCE, relays: true })?.offered.toSorted(), [0, 1]);
  t.end();
});

t.test("whatever happens, every piece comes, and none is asked of more than two", (t) => {
  const haves = fc.oneof(fc.constant<Have>("whole"), fc.uint8Array({ minLength: 3, maxLength: 3 }));
  fc.assert(
    fc.property(
      fc.array(haves, { minLength: 1, maxLength: 6 }),
      fc.integer(),
      fc.boolean(),
      fc.integer({ min: 1, max: 8 }),
      (others, seed, relays, count) => {
        const random = seededRandom(seed);
        const sources: readonly Have[] = [...others, "whole"];
        const made = new PieceSchedule(24, () => false, random);
        for (const [i, have] of sources.entries()) made.setSource(testNodeId(i + 1), have);
        const running: { ask: Ask; node: NodeId; pieces: number[]; have: Have }[] = [];
        for (let step = 0; made.missing > 0; step++) {
          if (step > 20_000) throw new Error(`${made.missing} pieces never come`);
          const nowMs = step * 10;
          const index = Math.floor(random.next() * sources.length);
          const node = testNodeId(index + 1);
          const have = sources[index] ?? "whole";
          const asked = made.take(node, { nowMs, count, relays, repeatAfterMs: 500 });
          if (asked) {
            const pieces = asked.offered
              .filter(() => asked.again || random.next() < 0.5)
              .slice(0, asked.count);
            made.granted(node, asked, pieces, nowMs);
            running.push({ ask: asked, node, pieces, have });
          }
          for (const piece of Array(24).keys()) {
            const askers = running.filter(({ pieces }) => pieces.includes(piece));
            if (askers.length > 2) throw new Error(`piece ${piece} is asked of ${askers.length}`);
          }
          // A slow one, a fast one, or one that breaks.
          const end = running[Math.floor(random.next() * running.length * 2)];
          if (!end) continue;
          running.splice(running.indexOf(end), 1);
          for (const piece of end.pieces) {
            if (end.have !== "whole" && !isSet(end.have, piece)) throw new Error("it has it not");
            if (random.next() < 0.8) made.received(piece);
          }
          made.release(end.ask);
          for (const other of running) {
            other.pieces = other.pieces.filter((piece) => !end.pieces.includes(piece));
          }
        }
      },
    ),
    { numRuns: 100 },
  );
  t.pass();
  t.end();
});
