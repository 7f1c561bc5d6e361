import t from "tap";
import { answerFormatOf, canThink, type OutputFormat, outputFormatOf } from "./output-format.ts";

const THINK = { open: "<think>", close: "</think>" };

/** What stands in the chat templates of these models; the rest of them says nothing about marks. */
const ROWS: readonly (readonly [model: string, template: string, format: OutputFormat])[] = [
  ["the demo model", "{{ '<|user|>' + message['content'] + '<|end|>' }}", {}],
  [
    "Qwen 2.5",
    'return a json object within <tool_call></tool_call> XML tags:\\n<tool_call>\\n{\\"name\\"',
    { calls: "hermes" },
  ],
  [
    "Qwen 3",
    "{{- '\\n<tool_call>\\n{\"name\": \"' }}{%- if enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}",
    { calls: "hermes", thinking: THINK },
  ],
  [
    "Llama 3.1",
    "{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' -}}{{- \"<|python_tag|>\" + tool_call.name }}",
    { calls: "llama" },
  ],
  [
    "Llama 3.2",
    '<|start_header_id|>{{- \'Respond in the format {"name": function name, "parameters": dictionary\' }}',
    { calls: "llama" },
  ],
  [
    "Llama 3",
    "{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>' %}",
    {},
  ],
  [
    "DeepSeek V3.2",
    "{%- set dsml_token = \"｜DSML｜\" -%}{{ '<' + dsml_token + 'function_calls>' }}{% if thinking %}{{ '<think>' }}{% endif %}",
    { calls: "dsml", thinking: THINK },
  ],
  ["Mistral Nemo", '{{- "[TOOL_CALLS][" }}', { calls: "mistral" }],
  [
    "Magistral",
    "[THINK]Here are your thoughts.[/THINK] {{- '[TOOL_CALLS]' + name + '[ARGS]' }}",
    { calls: "mistral", thinking: { open: "[THINK]", close: "[/THINK]" } },
  ],
  [
    "DeepSeek R1, distilled",
    "'<｜Assistant｜><｜tool▁calls▁begin｜><｜tool▁call▁begin｜>' {{'<｜Assistant｜><think>\\n'}}",
    { calls: "deepseek", thinking: THINK },
  ],
  [
    "Kimi K2",
    "<|tool_calls_section_begin|>{{- '<|tool_call_begin|>' + id + '<|tool_call_argument_begin|>' }}",
    { calls: "kimi" },
  ],
  [
    "MiniMax M2",
    "{%- set toolcall_begin_token = '<minimax:tool_call>' -%}{{- ']~b]ai\n<think>\n' }}",
    { calls: "minimax", thinking: THINK },
  ],
  [
    "Command R7B",
    "Start by writing <|START_THINKING|>, close with <|END_THINKING|>. Action: write <|START_ACTION|>",
    { calls: "command", thinking: { open: "<|START_THINKING|>", close: "<|END_THINKING|>" } },
  ],
  [
    "Granite 3",
    "'<|start_of_role|>system<|end_of_role|>' respond only with <|tool_call|> followed by a JSON list",
    { calls: "granite" },
  ],
  [
    "Granite 4",
    "'<|start_of_role|>system<|end_of_role|>' within <tool_call></tool_call> XML tags",
    { calls: "hermes" },
  ],
  [
    "Nemotron Nano 2",
    '<TOOLCALL>[{"name": </TOOLCALL> <think>',
    { calls: "nemotron", thinking: THINK },
  ],
  ["Phi 4 mini", "{{ '<|tool|>' + tools + '<|/tool|>' + '<|end|>' }}", { calls: "phi" }],
  ["Phi 4 mini in Ollama", 'functools[{"name": "function name", "arguments"', { calls: "phi" }],
  [
    "Llama 4",
    '<|header_start|>{{- \'Respond in the format {"name": function name, "parameters": dictionary\' }}',
    { calls: "llama" },
  ],
  ["gpt-oss", '{{- "<|start|>assistant<|channel|>analysis<|message|>" }}', { calls: "harmony" }],
  [
    "Seed-OSS",
    "{{ bos_token + 'assistant\\n<seed:think>' }}</seed:think>",
    { thinking: { open: "<seed:think>", close: "</seed:think>" } },
  ],
  [
    "Seed-OSS with tools",
    "{% if tools %}<seed:tool_call>\n<function={{ name }}></seed:think>",
    { calls: "seed", thinking: { open: "<seed:think>", close: "</seed:think>" } },
  ],
  ["Nemotron Mini", "<toolcall> {'name': '...'} </toolcall>", { calls: "nemotron" }],
  ["LFM 2", "{{ '<|tool_call_start|>[' }}", { calls: "python" }],
  ["OLMo 3", "{{ '<function_calls>' + m['function_calls'] }}", { calls: "python" }],
  [
    "Apertus",
    "{% set inner_token = '<|inner_prefix|>' %}{% set tool_calls_token = '<|tools_prefix|>' %}",
    { calls: "apertus", thinking: { open: "<|inner_prefix|>", close: "<|inner_suffix|>" } },
  ],
  [
    "Functionary 3.1",
    "<|start_header_id|>{{ '<|python_tag|>' }}<function=example_name>{...}</function>",
    { calls: "hermes" },
  ],
  [
    "Functionary 3.2",
    "{% if tools %}{{ '>>>all\\n' + message['content'] }}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n>>>' }}",
    { calls: "functionary" },
  ],
  ["FunctionGemma", "<start_function_call>call:{{ name }}", { calls: "functiongemma" }],
  [
    "Gemma 4",
    "{{ '<|channel>thought\n<channel|>' }}{{ '<|tool_call>call:' }}",
    { calls: "gemma4", thinking: { open: "<|channel>", close: "<channel|>" } },
  ],
  [
    "Command R",
    "Write 'Action:' followed by a list: ```json\n[{\"tool_name\": title}]```",
    { calls: "action" },
  ],
  [
    "Hunyuan",
    "<tool_calls>[...]</tool_calls>{{ c.split('</think>')[-1] }}<answer></answer>",
    { calls: "hunyuan", thinking: THINK, wrapper: { open: "<answer>", close: "</answer>" } },
  ],
  [
    "Granite 3.3",
    "Write your thoughts between <think></think> and your response between <response></response>",
    { thinking: THINK, wrapper: { open: "<response>", close: "</response>" } },
  ],
  [
    "Granite 3.2",
    "Write your thoughts after 'Here is my thought process:' and your response after 'Here is my response:'",
    { thinking: { open: "Here is my thought process:", close: "Here is my response:" } },
  ],
  [
    "EXAONE Deep",
    "{{ '[|assistant|]<thought>\n' }}",
    { thinking: { open: "<thought>", close: "</thought>" } },
  ],
  ["one that shows tools, and no mark", "{% if tools %}{{ tools | tojson }}", { calls: "json" }],
  [
    "one that strips its thoughts and does not write the first mark",
    "{{ content.split('</think>')[-1] }}",
    { thinking: THINK },
  ],
  ["one that has only the switch", "{% if enable_thinking %}", { thinking: THINK }],
  [
    "a Go template",
    '{{- if .ToolCalls }}<tool_call>\n{"name": "{{ .Function.Name }}", "arguments": {{ .Function.Arguments }}}',
    { calls: "hermes" },
  ],
];

t.test("what a chat template says of a model's marks", (t) => {
  for (const [model, template, format] of ROWS) t.same(outputFormatOf(template), format, model);
  t.end();
});

t.test("whether the prompt begins the thinking", (t) => {
  const rows: readonly (readonly [prompt: string, format: OutputFormat, begins: boolean])[] = [
    ["<｜Assistant｜><think>\n", { thinking: THINK }, true],
    ["<｜Assistant｜><think>", { thinking: THINK }, true],
    ["assistant\n<think>\n\n</think>\n\n", { thinking: THINK }, false],
    ["assistant\n", { thinking: THINK }, false],
    ["<think>", {}, false],
    ["<|channel>", { thinking: { open: "<|channel>", close: "<channel|>" } }, true],
    ["<|channel>thought\n", { thinking: { open: "<|channel>", close: "<channel|>" } }, true],
  ];
  for (const [prompt, format, begins] of rows) {
    t.same(answerFormatOf(format, prompt), begins ? { ...format, beginsThinking: true } : format);
  }
  t.end();
});

t.test("which formats hold thinking", (t) => {
  t.ok(canThink({ thinking: THINK }));
  t.ok(canThink({ calls: "harmony" }));
  t.notOk(canThink({ calls: "hermes" }));
  t.notOk(canThink({}));
  t.end();
});
