import { readFileSync } from "node:fs";
import fc from "fast-check";
import t from "tap";
import { JinjaError } from "./errors.ts";
import { Template } from "./template.ts";

// What Jinja2 3.1 of Python makes of them.
const ROWS: readonly (readonly [template: string, expected: string])[] = [
  ["{% for c in text %}{{ c }}.{% endfor %}", "a.é.😀."],
  ["{% for c in text if c != 'a' %}{{ c }}.{% else %}none{% endfor %}", "é.😀."],
  ["{% for c in text %}{% if c.type == 'image' %}{{ c }}{% endif %}{% endfor %}", ""],
  ["{% for n in list %}{{ n }}{{ loop.index }}{% endfor %}", "112233"],
  ["{% for key in map %}{{ key }}{% endfor %}", "xy"],
  ["{{ map.keys() | reject('in', ['x']) | join }}", "y"],
  ["{{ list | select('in', [3, 1]) | join(',') }}", "1,3"],
  ["{{ list | select('odd') | join(',') }}{{ list | reject('odd') | join(',') }}", "1,32"],
  ["{{ [0, 1, '', 'a', none] | select() | list | length }}", "2"],
  ["{{ list | select('equalto', 2) | join }}", "2"],
  ["{{ text | selectattr('type', 'equalto', 'text') | list | length }}", "0"],
  ["{{ text | rejectattr('type', 'equalto', 'text') | list | length }}", "3"],
  ["{{ ['a', 'b'] | map('upper') | join }}", "AB"],
  ["{{ ['ab'] | map('replace', 'a', 'x') | join }}", "xb"],
  ["{{ [map] | map(attribute='x') | join }}", "1"],
  ["{{ '\\n\\n a \\n'.strip('\\n') }}|", " a |"],
  ["{{ '\\n a\\n'.lstrip('\\n') }}|", " a\n|"],
  ["{{ '\\n a\\n\\n'.rstrip('\\n') }}|", "\n a|"],
  ["{{ '-+a-+'.strip('+-') }}|{{ ' a '.strip() }}|{{ ' a '.lstrip() }}|", "a|a|a |"],
  ["{{ 'xax' | trim('x') }}|{{ ' a ' | trim }}", "a|a"],
  ["{{ true | string }}{{ none | string }}{{ 1 | string }}{{ 'a' | string }}", "TrueNone1a"],
  [
    "{{ [1, 1.0, 'it\\'s', 'a\"b', 'a\\'\"', '\\n\\\\', true, none, []] | string }}",
    `[1, 1.0, "it's", 'a"b', 'a\\'"', '\\n\\\\', True, None, []]`,
  ],
  ["{{ map | string }}{{ {'a': {'b': ['c']}} | string }}", "{'x': 1, 'y': 2}{'a': {'b': ['c']}}"],
  ["{% set x = text.strip('\\n').split('</think>')[-1].lstrip('\\n') %}{{ x }}", "aé😀"],
  // Of Jinja2's grammar.
  ["a  {%- if true -%}  b  {%- endif %}\n c", "ab c"],
  ["  {% if true %}\n  x\n  {% endif %}\ny\n", "  x\ny"],
  ["  {%+ if true %}\nx{% endif +%}\ny", "  x\ny"],
  ["{# a #}\n{#- b -#}  c", "c"],
  ["{% raw %}{{ a }}{% endraw %}|{{ '{{' }}", "{{ a }}|{{"],
  [
    "{{ {'a': {'b': 1}}['a']['b'] }}{{ {1: 'x', true: 'y', (1, 2): 'z'} }}",
    "1{1: 'y', (1, 2): 'z'}",
  ],
  ["{{ 1 if false }}|{{ 1 if true else 2 }}|{{ none.x is defined }}", "|1|False"],
  ["{{ 2 ** 3 ** 2 }} {{ -2 ** 2 }} {{ 7 // -2 }} {{ -7 % 3 }} {{ 4 / 2 }}", "64 4 -4 2 2.0"],
  [
    "{{ 1 < 2 < 3 }} {{ not 1 == 2 }} {{ 'a' in 'abc' }} {{ 1 not in [1] }}",
    "True True True False",
  ],
  [
    "{{ 1e16 }} {{ 1e-5 }} {{ 0.1 + 0.2 }} {{ 2 ** 64 }}",
    "1e+16 1e-05 0.30000000000000004 18446744073709551616",
  ],
  [
    "{{ text[1:] }} {{ text[::-1] }} {{ list[-1] }} {{ (1, 2, 3)[1:] }} {{ range(9)[2] }}",
    "é😀 😀éa 3 (2, 3) 2",
  ],
  ["{{ text | length }} {{ text.find('😀') }} {{ '😀' < '\uffff' }}", "3 2 False"],
  [
    "{% set n = namespace(x=1) %}{% for i in list %}{% set n.x = n.x + i %}{% set y = i %}{% endfor %}{{ n.x }}{{ y }}",
    "7",
  ],
  ["{% set x %}a{{ 1 }}{% endset %}{% set y | upper %}b{% endset %}{{ x }}{{ y }}", "a1B"],
  [
    "{% macro m(a, b=2, c=b) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(1) }}{{ m(1, c=3) }}",
    "122123",
  ],
  [
    "{% macro m() %}<{{ caller('x') }}>{% endmacro %}{% call(y) m() %}{{ y }}!{% endcall %}",
    "<x!>",
  ],
  [
    "{% filter upper | replace('A', 'b') %}a{% endfilter %}{% generation %}g{% endgeneration %}",
    "bg",
  ],
  ["{% for a, b in map.items() if b > 1 %}{{ a }}{% else %}none{% endfor %}", "y"],
  [
    "{% for i in list %}{% if i == 2 %}{% continue %}{% endif %}{{ loop.last }}{% endfor %}",
    "FalseTrue",
  ],
  [
    "{% for i in list recursive %}{{ i }}{% if i > 2 %}{{ loop([0]) }}{% endif %}{% endfor %}",
    "1230",
  ],
  [
    "{{ [1, 'é', none, 1.0, {'b': 1, 'a': (2,)}] | tojson }}",
    '[1, "é", null, 1.0, {"b": 1, "a": [2]}]',
  ],
  [
    "{{ {'b': 1, 'a': 'é'} | tojson(sort_keys=true, separators=(',', ':'), ensure_ascii=true) }}",
    '{"a":"\\u00e9","b":1}',
  ],
  ["{{ map | tojson(indent=2) }}", '{\n  "x": 1,\n  "y": 2\n}'],
  ["{{ '%s %05.1f %r' % ('a', 2, 'b') }} {{ '{}-{a:>3}'.format(1, a=2) }}", "a 002.0 'b' 1-  2"],
  ["{{ 'a'|safe + '<' }} {{ '<'|e|e }} {{ nothing }}{{ nothing | default('d') }}", "a&lt; &lt; d"],
  // Lists and dicts of its own may be changed, as in llama.cpp.
  ["{% set l = [1] %}{% set _ = l.append(2) %}{{ l.pop(0) }}{{ l }}", "1[2]"],
  ["{% set d = {} %}{% set _ = d.update({'a': 1}, b=2) %}{{ d.pop('a') }}{{ d }}", "1{'b': 2}"],
];

t.test("as Jinja2 renders it", (t) => {
  const data = { text: "aé😀", list: [1, 2, 3], map: { x: 1, y: 2 } };
  for (const [source, expected] of ROWS) {
    t.equal(new Template(source).render(data), expected, source);
  }
  t.end();
});

t.test("each construct of templates in use", (t) => {
  type Construct = readonly [template: string, data: Record<string, unknown>, expected: string];
  const file = new URL("../../../test/fixtures/jinja-constructs.json", import.meta.url);
  const constructs: readonly Construct[] = JSON.parse(readFileSync(file, "utf8"));
  for (const [source, data, expected] of constructs) {
    t.equal(new Template(source).render(data), expected, source);
  }
  t.end();
});

t.test("what it refuses", (t) => {
  const invalid: readonly (readonly [template: string, message: RegExp])[] = [
    ["a\n{% if x %}", /unexpected end of template/],
    ["a\n{{ x", /line 2: unexpected end of template/],
    ["{% nosuch %}", /unknown tag 'nosuch'/],
    ["{% break %}", /outside loop/],
    ["{{ }}", /unexpected/],
    ["{{ (1] }}", /unexpected/],
    [`{{ ${"(".repeat(10_000)}1${")".repeat(10_000)} }}`, /nested too deeply/],
    [`{% for ${"(".repeat(100_000)}a${")".repeat(100_000)} in b %}`, /nested too deeply/],
  ];
  for (const [source, message] of invalid) {
    t.throws(
      () => new Template(source),
      { code: "TEMPLATE_INVALID", message },
      source.slice(0, 60),
    );
  }
  const failing: readonly (readonly [template: string, message: RegExp])[] = [
    ["{{ list | select('even-ish') }}", /No test named 'even-ish'/],
    ["{{ 1 | select('odd') }}", /not iterable/],
    ["{% for x in 1 %}{% endfor %}", /not iterable/],
    ["a\n{{ nothing.x }}", /line 2: 'nothing' is undefined/],
    ["{{ 'a' + 1 }}", /can only concatenate str/],
    ["{{ raise_exception('roles must alternate') }}", /^roles must alternate$/],
    ["{% set _ = list.append(1) %}", /unsafe/],
    ["{% set _ = map.pop('x') %}", /unsafe/],
    ["{% for i in range(10 ** 9) %}{% endfor %}", /Range too big/],
    [
      "{% for i in range(90000) %}{% for j in range(90000) %}{% endfor %}{% endfor %}",
      /too many steps/,
    ],
    ["{{ 'a' * 10 ** 9 }}", /too long/],
    [
      "{% set n = namespace(a='ab') %}{% for i in range(99) %}{% set n.a = n.a ~ n.a %}{% endfor %}",
      /too long/,
    ],
    [
      "{% set n = namespace(a=[1]) %}{% for i in range(99) %}{% set n.a = [n.a, n.a] %}{% endfor %}{{ n.a }}",
      /too many steps/,
    ],
    ["{% set l = [] %}{% set _ = l.append(l) %}{{ l }}", /too deep/],
    ["{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", /too deep/],
  ];
  const data = { list: [1, 2, 3], map: { x: 1 } };
  for (const [source, message] of failing) {
    t.throws(() => new Template(source).render(data), { code: "TEMPLATE_FAILED", message }, source);
  }
  t.same(data, { list: [1, 2, 3], map: { x: 1 } });
  t.end();
});

t.test("functions that come with the data", (t) => {
  const given: unknown[] = [];
  const today = (...args: unknown[]) => {
    given.push(...args);
    return "30 Nov 2026";
  };
  const source = "{{ today('%d', [1.0, (2,)], a={'b': 1}) }}{{ today is callable }}";
  t.equal(new Template(source).render({ today }), "30 Nov 2026True");
  t.same(given, ["%d", [1, [2]], { a: { b: 1 } }]);
  t.end();
});

t.test("whatever the text, it renders or says why not", (t) => {
  const pieces = fc.constantFrom(
    ...[
      "{{",
      "}}",
      "{%",
      "%}",
      "{%-",
      "-%}",
      "{#",
      "#}",
      " ",
      "if",
      "endif",
      "for",
      "in",
      "endfor",
    ],
    ...["set", "macro", "endmacro", "call", "else", "a", "loop", ".", "(", ")", "[", "]", "|", "~"],
    ...["+", "*", "**", "9", "1.5", "'x'", "not", "is", "==", "range", "map", "join", "upper", ","],
    ...["{{ a }}", "{% endif %}", "{% for a in b %}", "{% endfor %}", "{% if a %}", ":", "=", "\n"],
  );
  const texts = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.array(pieces, { maxLength: 30 }).map((all) => all.join(" ")),
    fc.array(pieces, { maxLength: 12 }).map((all) => `{{ ${all.join(" ")} }}`),
  );
  fc.assert(
    fc.property(texts, (text) => {
      try {
        new Template(text).render({ a: "a", b: [1, { c: null }] });
        return true;
      } catch (error) {
        return error instanceof JinjaError;
      }
    }),
    { numRuns: 5_000 },
  );
  t.pass("nothing else was thrown");
  t.end();
});

t.test("a part with something to be done in it is done once", (t) => {
  const counted =
    "{% set n = namespace(count=0) %}{% macro next() %}{% set n.count = n.count + 1 %}";
  const source = `${counted}x{% endmacro %}{% for c in next() %}{{ c }}{% endfor %}{{ next().strip('x') }}{{ next() | trim('x') }}`;
  t.equal(new Template(`${source}{{ n.count }}`).render({}), "x3");
  t.end();
});
