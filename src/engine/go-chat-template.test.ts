import t from "tap";
import type { Message } from "../core/inference.ts";
import { hasInfill, renderGoConversation, renderGoInfill } from "./go-chat-template.ts";

const system: Message = { role: "system", content: "Be brief." };
const user: Message = { role: "user", content: "Hi" };
const assistant: Message = { role: "assistant", content: "Hello" };
const again: Message = { role: "user", content: "Sum 1 and 2" };
const call: Message = {
  role: "assistant",
  content: "",
  thinking: "hm",
  toolCalls: [{ id: "call_1", name: "add", arguments: { a: 1, b: 2 } }],
};
const answer: Message = { role: "tool", content: "3", toolName: "add" };
const tools = [
  {
    type: "function",
    function: {
      name: "add",
      description: "Adds",
      parameters: { type: "object", properties: { a: { type: "integer" } }, required: ["a"] },
    },
  },
];

/** In the manner of Ollama's own, family by family. */
const LLAMA3 = `{{- range $i, $_ := .Messages }}
{{- $last := eq (len (slice $.Messages $i)) 1 }}<|start_header_id|>{{ .Role }}<|end_header_id|>

{{ .Content }}<|eot_id|>
{{- if and $last (ne .Role "assistant") }}<|start_header_id|>assistant<|end_header_id|>

{{ end }}
{{- end }}`;
const CHATML = `{{- if .System }}<|im_start|>system
{{ .System }}<|im_end|>
{{ end }}{{ if .Prompt }}<|im_start|>user
{{ .Prompt }}<|im_end|>
{{ end }}<|im_start|>assistant
{{ .Response }}<|im_end|>
`;
const MISTRAL = `{{- range $index, $_ := .Messages }}
{{- if eq .Role "user" }}
{{- if and (le (len (slice $.Messages $index)) 2) $.Tools }}[AVAILABLE_TOOLS] {{ json $.Tools }}[/AVAILABLE_TOOLS]
{{- end }}[INST] {{ if and (eq (len (slice $.Messages $index)) 1) $.System }}{{ $.System }}

{{ end }}{{ .Content }}[/INST]
{{- else if eq .Role "assistant" }}
{{- if .Content }} {{ .Content }}</s>
{{- else if .ToolCalls }}[TOOL_CALLS] [
{{- range .ToolCalls }}{"name": "{{ .Function.Name }}", "arguments": {{ json .Function.Arguments }}}
{{- end }}]</s>
{{- end }}
{{- else if eq .Role "tool" }}[TOOL_RESULTS] {"content": {{ .Content }}} [/TOOL_RESULTS]
{{- end }}
{{- end }}`;
const QWEN = `{{- if or .System .Tools }}<|im_start|>system
{{ .System }}
{{- if .Tools }}
<tools>
{{- range .Tools }}
{"type": "function", "function": {{ .Function }}}
{{- end }}
</tools>
{{- end }}<|im_end|>
{{ end }}
{{- range $i, $_ := .Messages }}
{{- if eq .Role "user" }}<|im_start|>user
{{ .Content }}<|im_end|>
{{ else if eq .Role "assistant" }}<|im_start|>assistant
{{ if .Thinking }}<think>{{ .Thinking }}</think>
{{ end }}{{ .Content }}
{{- range .ToolCalls }}<tool_call>
{"name": "{{ .Function.Name }}", "arguments": {{ .Function.Arguments }}}
</tool_call>{{ end }}<|im_end|>
{{ else if eq .Role "tool" }}<|im_start|>user
<tool_response>{{ .ToolName }}: {{ .Content }}</tool_response><|im_end|>
{{ end }}
{{- end }}<|im_start|>assistant
{{ if and $.IsThinkSet (not $.Think) }}<think></think>{{ end }}{{ if $.ThinkLevel }}{{ $.ThinkLevel }}{{ end }}`;

t.test("conversations, family by family", async (t) => {
  const render = (source: string, ...args: [readonly Message[], object?]) =>
    renderGoConversation(source, { messages: args[0], ...args[1] }, 0);
  t.equal(
    render(LLAMA3, [system, user]),
    "<|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
  );
  t.equal(
    render(CHATML, [system, user, assistant, again]),
    "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>\n<|im_start|>user\nSum 1 and 2<|im_end|>\n<|im_start|>assistant\n",
    "an older one, turn by turn, up to .Response",
  );
  t.equal(
    render(CHATML, [user, { ...assistant, content: "Hel" }]),
    "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHel",
    "an answer that has begun goes on",
  );
  t.equal(
    render(MISTRAL, [system, again], { tools }),
    `[AVAILABLE_TOOLS] ${JSON.stringify(tools)}[/AVAILABLE_TOOLS][INST] Be brief.\n\nSum 1 and 2[/INST]`,
  );
  t.equal(
    render(MISTRAL, [again, call, answer]),
    '[INST] Sum 1 and 2[/INST][TOOL_CALLS] [{"name": "add", "arguments": {"a":1,"b":2}}]</s>[TOOL_RESULTS] {"content": 3} [/TOOL_RESULTS]',
  );
  t.equal(
    render(QWEN, [system, again, call, answer], { tools, think: false }),
    `<|im_start|>system\nBe brief.\n<tools>\n{"type": "function", "function": ${JSON.stringify(tools[0]?.function)}}\n</tools><|im_end|>\n<|im_start|>user\nSum 1 and 2<|im_end|>\n<|im_start|>assistant\n<think>hm</think>\n<tool_call>\n{"name": "add", "arguments": {"a":1,"b":2}}\n</tool_call><|im_end|>\n<|im_start|>user\n<tool_response>add: 3</tool_response><|im_end|>\n<|im_start|>assistant\n<think></think>`,
  );
  t.match(render(QWEN, [user], { think: "high" }), /assistant\nhigh$/);
});

t.test("what Ollama does on the way", async (t) => {
  const all = "{{ .System }}|{{ range .Messages }}{{ .Role }}:{{ .Content }};{{ end }}";
  t.equal(
    renderGoConversation(all, { messages: [system, system, user, user, answer, answer] }, 0),
    "Be brief.\n\nBe brief.|system:Be brief.\n\nBe brief.;user:Hi\n\nHi;tool:3;tool:3;",
    "neighbours of one role are one, but tools' answers",
  );
  t.equal(
    renderGoConversation("{{ .Prompt }}", { messages: [user, assistant, again] }, 0),
    "HiHelloSum 1 and 2",
    "without .Response it comes at the end",
  );
  t.equal(
    renderGoInfill("<PRE> {{ .Prompt }} <SUF>{{ .Suffix }} <MID>", { prompt: "a", suffix: "b" }, 0),
    "<PRE> a <SUF>b <MID>",
  );
  t.equal(renderGoInfill("{{ .Prompt }}", { prompt: "a", suffix: "b" }, 0), "a");
  t.notOk(hasInfill("{{ .Prompt }}"));
  t.ok(hasInfill("{{ if .Suffix }}{{ .Suffix }}{{ end }}"));
});

t.test("a tool has every field that Ollama's type has, and prints those that were sent", (t) => {
  const template =
    "{{ range .Messages }}{{ end }}{{ range .Tools }}{{ .Function.Description }}|{{ len .Function.Parameters.Required }}|" +
    "{{ range $name, $of := .Function.Parameters.Properties }}{{ $name }}={{ $of.Description }};{{ len $of.Enum }}{{ end }}|{{ .Items }}|{{ . }}{{ end }}";
  const bare = {
    type: "function",
    function: {
      name: "f",
      parameters: { type: "object", properties: { constructor: { type: "x" } } },
    },
  };
  t.equal(
    renderGoConversation(template, { messages: [user], tools: [bare] }, 0),
    `|0|constructor=;0|<no value>|${JSON.stringify(bare)}`,
  );
  t.equal(
    renderGoConversation("{{ .Messages }}{{ .Tools }}", { messages: [], tools: [1] }, 0),
    "[][1]",
  );
  t.end();
});
