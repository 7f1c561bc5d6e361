import t from "tap";
import { GbnfWalk } from "../../../../test/fixtures/gbnf-walk.ts";
import { seededRandom } from "../../../core/random.ts";
import { GrammarRules } from "./grammar-rules.ts";
import { schemaGrammar } from "./schema-grammar.ts";
import { patternGrammar } from "./string-pattern.ts";

const WALKS = 200;

t.test("what follows a pattern's grammar matches the pattern", (t) => {
  const patterns = [
    ...["^$", "^abc$", "^[A-Z]{3}$", "^a?b*c+$", "^a{2}b{2,}c{1,3}d{0,2}$", "^a+?b*?$"],
    ...["^(foo|ba[rz]|)$", "^(?:a|b)+(?<name>c)$", "^a$|^b$", "^((a|b)(c|d){2}){1,3}$"],
    ...[
      "^\\d\\D\\w\\W\\s\\S$",
      "^[\\d.-]+[^\\w]$",
      "^[^a-z]$",
      "^.{3}$",
      "^[\\]\\\\^-]$",
      "^[a\\-z]$",
    ],
    ...['^"\\\\\\/$', "^\\^\\$\\.\\*\\+\\?\\(\\)\\[\\]\\{\\}\\|$", "^\\n\\r\\t\\f\\v\\0$"],
    ...["^\\x41\\u00e9\\u{1F600}😀[😀-😎]$", "^[\\x00-\\x1f]$", "^[\\s\\S]$", "^\\x01$", "^[\\b]$"],
    ...["^[0-9]{4}-(0[1-9]|1[0-2])$", "^\\+?[1-9]\\d{1,14}$", "^#([0-9a-f]{3}){1,2}$"],
  ];
  for (const pattern of patterns) {
    const walk = new GbnfWalk(schemaGrammar({ type: "string", pattern }), seededRandom(7));
    const expression = new RegExp(pattern, "u");
    for (let at = 0; at < WALKS; at++) {
      const text = walk.text(40);
      const content: unknown = JSON.parse(text);
      if (typeof content === "string" && expression.test(content)) continue;
      t.fail(`${pattern} does not match ${text}`);
    }
    t.pass(pattern);
  }
  t.end();
});

t.test("patterns that are left to the model", (t) => {
  const patterns = [
    ...["abc", "^abc", "abc$", "^a|b$", "a^b$", "^a$b", "^a\\$", "^(^a)$", "^(a$)$"],
    ...["^(?=a)a$", "^(?!a)b$", "^(?<=a)b$", "^(a)\\1$", "^\\k<n>$", "^\\bab$", "^\\p{L}$"],
    ...[
      "^a{501}$",
      "^a{2,1}$",
      "^(a*)*$",
      "^(a?|b)+$",
      "^(a$",
      "^a)$",
      "^[a$",
      "^[z-a]$",
      "^[\\d-z]$",
    ],
    ...["^*$", "^a**$", "^{2}$", "^\\ud83d$", "^\\cA$", "^\\u{110000}$", "^\\00$", "^(?i:a)$"],
    ...[`^${"(".repeat(60)}a${")".repeat(60)}$`, `^${"a".repeat(3_000)}$`],
  ];
  for (const pattern of patterns) {
    t.equal(patternGrammar(pattern, new GrammarRules()), undefined, pattern.slice(0, 60));
  }
  t.end();
});
