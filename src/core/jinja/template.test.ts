import t from "tap";
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
];

t.test("what the library lacks", (t) => {
  const data = { text: "aé😀", list: [1, 2, 3], map: { x: 1, y: 2 } };
  for (const [source, expected] of ROWS) {
    t.equal(new Template(source).render(data), expected, source);
  }
  t.throws(() => new Template("{{ list | select('even-ish') }}").render(data), /Unknown test/);
  t.throws(() => new Template("{{ 1 | select('odd') }}").render(data), /select/);
  t.throws(() => new Template("{% for x in 1 %}{% endfor %}").render(data), /iterable/);
  t.end();
});

t.test("a part with something to be done in it is done once", (t) => {
  const counted =
    "{% set n = namespace(count=0) %}{% macro next() %}{% set n.count = n.count + 1 %}";
  const source = `${counted}x{% endmacro %}{% for c in next() %}{{ c }}{% endfor %}{{ next().strip('x') }}{{ next() | trim('x') }}`;
  t.equal(new Template(`${source}{{ n.count }}`).render({}), "x3");
  t.end();
});
