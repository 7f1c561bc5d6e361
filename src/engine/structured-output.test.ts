import t from "tap";
import { fitsSchema } from "../../test/fixtures/json-schema-check.ts";
import { testEngine } from "../../test/fixtures/test-engine.ts";
import type { JsonFormat } from "../core/inference.ts";
import { collect, ending, user } from "./engine.contract.ts";

/** A model that was never taught JSON, and is hot: what fits comes from the grammar alone. */
const SEEDS = [1, 2, 3, 4];
const TOKENS_MAX = 900;

const NODE = {
  type: "object",
  properties: {
    value: { type: "boolean" },
    next: { anyOf: [{ $ref: "#/$defs/node" }, { type: "null" }] },
  },
  required: ["value", "next"],
};
const FORMATS: readonly (readonly [what: string, format: JsonFormat])[] = [
  [
    "a required integer, and an optional one",
    {
      type: "object",
      properties: {
        a: { type: "integer", minimum: 1, maximum: 5 },
        b: { type: "string", maxLength: 8 },
      },
      required: ["a"],
    },
  ],
  ["a linked list", { $ref: "#/$defs/node", $defs: { node: NODE } }],
  ["a pattern", { type: "string", pattern: "^[A-Z]{3}$" }],
  ["a number in its bounds", { type: "number", minimum: -1, exclusiveMaximum: 1 }],
  ["objects to choose from", { enum: [{ a: 1 }, { a: [2, "\n"] }, { b: null }] }],
  [
    "a tuple",
    { prefixItems: [{ type: "integer" }, { type: "boolean" }], items: false, minItems: 2 },
  ],
];
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

t.test("the demo model in formats", async (t) => {
  await using tested = await testEngine();
  const answer = async (format: JsonFormat, seed: number) => {
    const sampling = { temperature: 1.5, topK: 0, topP: 1, seed };
    const input = user("tell me a story");
    const { events, text } = await collect(tested, {
      input,
      format,
      sampling,
      maxTokens: TOKENS_MAX,
    });
    t.equal(ending(events).reason, "stop", text.slice(0, 200));
    return JSON.parse(text) as unknown;
  };
  for (const [what, format] of FORMATS) {
    for (const seed of SEEDS) {
      const value = await answer(format, seed);
      t.ok(fitsSchema(value, format), `${what}: ${JSON.stringify(value)}`);
    }
  }
  t.match(await answer({ type: "string", format: "uuid" }, 1), UUID);
  const date = await answer({ type: "string", format: "date" }, 1);
  t.ok(Date.parse(String(date)) > Number.NEGATIVE_INFINITY, String(date));
  await t.rejects(answer({ $ref: "https://example.com/schema" }, 1), { code: "INVALID_OPTION" });
});
