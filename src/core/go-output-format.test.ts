import t from "tap";
import { goOutputFormatOf } from "./go-output-format.ts";
import type { OutputFormat } from "./output-format.ts";

const THINK = { open: "<think>", close: "</think>" };
const JSON_CALL = '{"name": "{{ .Function.Name }}", "arguments": {{ .Function.Arguments }}}';
const TOOLS = "{{ if .Tools }}{{ .Tools }}{{ end }}";
const messages = (inner: string): string => `{{ range .Messages }}${inner}{{ end }}`;
const calls = (before: string, after: string): string =>
  messages(
    `{{ if eq .Role "assistant" }}{{ .Content }}{{ if .ToolCalls }}${before}{{ range .ToolCalls }}${JSON_CALL}{{ end }}${after}{{ end }}{{ end }}`,
  );

const ROWS: readonly (readonly [what: string, template: string, format: OutputFormat])[] = [
  ["no tools", "{{ .Prompt }}", {}],
  ["a format that is known", TOOLS + calls("<tool_call>", "</tool_call>"), { calls: "hermes" }],
  ["tools alone", TOOLS + messages("{{ .Content }}"), { calls: "json" }],
  [
    "marks of its own",
    TOOLS + calls("\n<tool>\n", "\n</tool><|im_end|>\n"),
    { calls: "json", callMarks: { open: "<tool>", close: "</tool>" } },
  ],
  [
    "a list behind a mark in brackets",
    TOOLS + calls("[CALLS] [", "] [/CALLS]"),
    { calls: "json", callMarks: { open: "[CALLS]", close: "[/CALLS]" } },
  ],
  [
    "a mark in the loop, which nothing ends",
    messages(`{{- range .ToolCalls }}Call:\n${JSON_CALL}\n{{ end }}`),
    { calls: "json", callMarks: { open: "Call:", close: "" } },
  ],
  ["JSON alone", calls("", ""), { calls: "json" }],
  ["a list alone", calls("[", "]"), { calls: "json" }],
  [
    "a turn's beginning is no mark",
    calls("<|im_start|>assistant\n", "<|im_end|>"),
    { calls: "json" },
  ],
  [
    "a mark behind it is one",
    calls("Assistant: <c>\n", "</c>"),
    { calls: "json", callMarks: { open: "<c>", close: "</c>" } },
  ],
  ["a sentence is no mark", calls(`${"so ".repeat(30)}:`, ""), { calls: "json" }],
  ["a loop without a call", messages("{{ if .ToolCalls }}x{{ end }}"), { calls: "json" }],
  [
    "thinking's own marks",
    messages("{{ if .Thinking }}<thinking>\n{{ .Thinking }}\n</thinking>\n{{ end }}{{ .Content }}"),
    { thinking: { open: "<thinking>", close: "</thinking>" } },
  ],
  [
    "thinking within a turn's marks",
    messages(
      "{{ if eq .Role `assistant` }}<|im_start|>assistant\n<think>{{ .Thinking }}</think>{{ .Content }}<|im_end|>{{ end }}",
    ),
    { thinking: THINK },
  ],
  [
    "thinking between sentences",
    messages(
      "{{ if .Thinking }}My thoughts:\n{{ .Thinking }}\nMy answer:\n{{ end }}{{ .Content }}",
    ),
    { thinking: { open: "My thoughts:", close: "My answer:" } },
  ],
  ["thinking without marks", messages("{{ .Thinking }}{{ .Content }}"), {}],
  ["thinking that only a condition speaks of", messages("{{ if .Thinking }}x{{ end }}"), {}],
  ["thinking outside of the messages", "a {{ .Thinking }} b", {}],
  ["the marks of another part", "{{ .Prompt }}<think>", { thinking: THINK }],
  [
    "gpt-oss",
    messages("<|channel|>analysis<|message|>{{ .Thinking }}<|end|>"),
    { calls: "harmony" },
  ],
  [
    "a template within",
    `{{ define "call" }}{{ if .ToolCalls }}<c>${JSON_CALL}</c>{{ end }}{{ end }}${messages('{{ template "call" . }}')}`,
    { calls: "json", callMarks: { open: "<c>", close: "</c>" } },
  ],
  ["one that cannot be read", "{{ if .ToolCalls }}<tool_call>", { calls: "hermes" }],
];

t.test("what a Go TEMPLATE says of a model's marks", (t) => {
  for (const [what, template, format] of ROWS) t.same(goOutputFormatOf(template), format, what);
  t.end();
});
