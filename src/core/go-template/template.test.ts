import fc from "fast-check";
import t from "tap";
import { GoTemplateError } from "./errors.ts";
import { GoTemplate } from "./template.ts";
import type { GoValue } from "./values.ts";

/** The first of March 2026, at noon. */
const context = { nowMs: new Date(2026, 2, 1, 12).getTime() };
const DATA = {
  ...{ Name: "Ada", Empty: "", Zero: 0, Yes: true, No: false, List: ["a", "b", "c"], None: [] },
  ...{ Map: { x: 1, y: 2 }, Deep: { Inner: { Value: "deep" } }, Html: "<a & b>", Nil: null },
  Tool: {
    type: "function",
    function: { name: "f", parameters: { properties: { p: { type: "string" } } } },
  },
} satisfies GoValue;

function render(source: string, data: GoValue = DATA): string {
  return GoTemplate.parse(source).render(data, context);
}

const RENDERED: readonly (readonly [source: string, text: string])[] = [
  ["plain", "plain"],
  ["{{ .Name }}", "Ada"],
  ["{{.Name}}", "Ada"],
  ["a {{- .Name -}} b", "aAdab"],
  ["a \n {{- .Name }} b", "aAda b"],
  ["{{ .Name -}} \n b", "Adab"],
  ["{{ -1 }}", "-1"],
  ["a{{/* said */}}b", "ab"],
  ["a {{- /* said */ -}} b", "ab"],
  ["{{ .Deep.Inner.Value }}", "deep"],
  ["{{ (index .List 1) }}{{ (.Deep.Inner).Value }}", "bdeep"],
  ["{{ .name }}", "Ada"],
  ["{{ .Missing }}", "<no value>"],
  ["{{ if .Name }}1{{ else }}2{{ end }}", "1"],
  ["{{ if .Empty }}1{{ else if .Zero }}2{{ else if .Yes }}3{{ else }}4{{ end }}", "3"],
  ["{{ if .None }}1{{ end }}{{ if .List }}2{{ end }}{{ if .Nil }}3{{ end }}", "2"],
  ["{{ with .Deep }}{{ .Inner.Value }}{{ end }}", "deep"],
  ["{{ with .Nil }}1{{ else }}2{{ end }}", "2"],
  ["{{ with .Nil }}1{{ else with .Name }}{{ . }}{{ end }}", "Ada"],
  ["{{ range .List }}{{ . }}{{ end }}", "abc"],
  ["{{ range $i, $e := .List }}{{ $i }}{{ $e }}{{ end }}", "0a1b2c"],
  ["{{ range $e := .List }}{{ $e }}{{ $.Name }}{{ end }}", "aAdabAdacAda"],
  ["{{ range $k, $v := .Map }}{{ $k }}={{ $v }};{{ end }}", "x=1;y=2;"],
  ["{{ range .None }}1{{ else }}2{{ end }}", "2"],
  ["{{ range 3 }}{{ . }}{{ end }}", "012"],
  ["{{ range .List }}{{ if eq . `b` }}{{ break }}{{ end }}{{ . }}{{ end }}", "a"],
  ["{{ range .List }}{{ if eq . `b` }}{{ continue }}{{ end }}{{ . }}{{ end }}", "ac"],
  ["{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}", "2"],
  ["{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ end }}{{ $x }}", "1"],
  ["{{ $last := false }}{{ range .List }}{{ $last = . }}{{ end }}{{ $last }}", "c"],
  ['{{ define "t" }}[{{ . }}]{{ end }}{{ template "t" .Name }}', "[Ada]"],
  ['{{ block "t" .Name }}<{{ . }}>{{ end }}', "<Ada>"],
  ["{{ .List | len }}", "3"],
  ["{{ len .Name }}{{ len .Map }}", "32"],
  ['{{ .Name | printf "%s-%s" "x" }}', "x-Ada"],
  [
    '{{ len (printf "a%*s" 3 "") }}|{{ printf "%-*d|%*.*f|%*d" 4 7 6 2 1.5 "x" 1 }}',
    "4|7   |  1.50|%!(BADWIDTH)1",
  ],
  [
    '{{ printf "%5d|%-4s|%03d|%q|%.2f|%v|%%" 42 "ab" 7 "q" 1.5 true }}',
    '   42|ab  |007|"q"|1.50|true|%',
  ],
  ["{{ and .Name .Yes }}{{ and .Empty .Missing.X }}|{{ or .Empty .Name }}", "true|Ada"],
  [
    "{{ not .Empty }}{{ eq .Name `Ada` }}{{ eq 1 2 3 1 }}{{ ne 1 2 }}{{ lt 1 2 }}",
    "truetruetruetruetrue",
  ],
  ["{{ le 2 2 }}{{ gt 1 2 }}{{ ge 2 3 }}", "truefalsefalse"],
  ["{{ if and (eq .Name `Ada`) (gt (len .List) 2) }}1{{ end }}", "1"],
  ["{{ slice .Name 1 }}{{ slice .List 0 1 }}", "da[a]"],
  ["{{ index .Map `y` }}", "2"],
  ["{{ json .Map }}{{ json .Html }}", '{"x":1,"y":2}"\\u003ca \\u0026 b\\u003e"'],
  ["{{ .Tool }}", JSON.stringify(DATA.Tool)],
  [
    "{{ .Tool.Function.Name }}{{ range $k, $v := .Tool.Function.Parameters.Properties }}{{ $k }}:{{ $v.Type }}{{ end }}",
    "fp:string",
  ],
  ["{{ toTypeScriptType .Tool.Function.Parameters.Properties.p }}", "string"],
  ["{{ print 1 2 `a` `b` 3 }}{{ println `x` 1 }}", "1 2ab3x 1\n"],
  ["{{ html .Html }}{{ urlquery .Html }}", "&lt;a &amp; b&gt;%3Ca+%26+b%3E"],
  ["{{ currentDate }} {{ yesterdayDate }}", "2026-03-01 2026-02-28"],
  ["{{ \"a\\n\\u00e9\\x41\" }}{{ `raw\\n` }}{{ 'a' }}", "a\néAraw\\n97"],
  ["}} {", "}} {"],
];

t.test("what templates render", async (t) => {
  for (const [source, text] of RENDERED) t.equal(render(source), text, source);
});

const INVALID: readonly (readonly [source: string, message: RegExp])[] = [
  ["{{ .A", /^template: :1: unclosed action$/],
  ["a\n{{ if .A }}", /^template: :2: unexpected EOF$/],
  ["{{ end }}", /unexpected \{\{end\}\}/],
  ["{{ else }}", /unexpected \{\{else\}\}/],
  ["{{ if }}{{ end }}", /missing value for if/],
  ["{{ nothing .A }}", /function "nothing" not defined/],
  ["{{ $x }}", /undefined variable "x"|undefined variable "\$x"/],
  ["{{ if true }}{{ $x := 1 }}{{ end }}{{ $x }}", /undefined variable/],
  ["{{ break }}", /outside \{\{range\}\}/],
  ["{{ .A | 1 }}", /non executable command/],
  ['{{ "open }}', /unterminated quoted string/],
  ["{{ ` }}", /unterminated raw quoted string/],
  ["{{ ( .A }}", /unclosed left paren/],
  ["{{ .A ) }}", /unexpected "\)"/],
  ["{{ # }}", /unexpected "#" in command/],
  ["{{ $a, $b := .A }}", /too many declarations/],
  ["{{ template x }}", /in template clause/],
  ["{{ if true }}".repeat(200) + "{{ end }}".repeat(200), /nested too deeply/],
  [`{{ ${"(".repeat(200)}1${")".repeat(200)} }}`, /nested too deeply/],
  ["x".repeat(1_048_577), /too long/],
];

t.test("what is no template", async (t) => {
  for (const [source, message] of INVALID) {
    t.throws(
      () => GoTemplate.parse(source),
      { code: "TEMPLATE_INVALID", message },
      source.slice(0, 60),
    );
  }
});

t.test("what fails when it is executed", async (t) => {
  const rows: readonly (readonly [source: string, message: RegExp])[] = [
    ["{{ .Name.X }}", /can't evaluate field X/],
    ["{{ index .List 9 }}", /out of range/],
    ["{{ eq 1 `1` }}", /incompatible types/],
    ["{{ len 3 }}", /error calling len/],
    ["{{ range .Name }}{{ end }}", /can't iterate/],
    ['{{ template "none" }}', /not defined/],
    ['{{ define "t" }}{{ template "t" }}{{ end }}{{ template "t" }}', /maximum template depth/],
    ["{{ .Name 1 }}", /non-function/],
    [
      "{{ range 1000 }}{{ range 1000 }}{{ range 1000 }}{{ end }}{{ end }}{{ end }}",
      /too many steps/,
    ],
    [
      `{{ $x := "${"y".repeat(1_000)}" }}{{ range 900000 }}{{ $x }}{{ end }}`,
      /too many steps|writes too much/,
    ],
  ];
  for (const [source, message] of rows) {
    t.throws(() => render(source), { code: "TEMPLATE_FAILED", message }, source.slice(0, 60));
  }
});

t.test("which fields a template uses, and what comes before one", async (t) => {
  const template = GoTemplate.parse(
    '{{ if .System }}{{ .System }}{{ end }}{{ with (index .Messages 0).Content }}{{ end }}{{ define "x" }}{{ .Deep }}{{ end }}',
  );
  for (const name of ["system", "Messages", "content", "deep"]) t.ok(template.uses(name), name);
  t.notOk(template.uses("response"));
  const turn = GoTemplate.parse("<{{ .Prompt }}>{{ if .Response }}[{{ .Response }}]x{{ end }}y");
  const cut = turn.upTo("Response");
  t.equal(cut.render({ Prompt: "p", Response: "r" }, context), "<p>[r");
  t.equal(GoTemplate.parse("a{{ .X }}").withField("Y").render({ X: 1, Y: 2 }, context), "a12");
});

t.test("whatever the text, it parses or says why not", async (t) => {
  const pieces = fc.constantFrom(
    ...["{{", "}}", "{{-", "-}}", " ", "if", "end", "range", "else", "$x", ":=", ".A", ".", "("],
    ...[")", "|", '"', "`", "'", "1", "define", "template", "/*", "*/", "a", "\n", "{{ end }}"],
  );
  const texts = fc.oneof(
    fc.string(),
    fc.array(pieces, { maxLength: 30 }).map((all) => all.join("")),
  );
  fc.assert(
    fc.property(texts, (text) => {
      try {
        render(text, { A: "a" });
        return true;
      } catch (error) {
        return error instanceof GoTemplateError;
      }
    }),
    { numRuns: 3_000 },
  );
  fc.assert(fc.property(fc.string(), (text) => text.includes("{{") || render(text) === text));
  t.pass("nothing else was thrown, and text stays as it is");
});
