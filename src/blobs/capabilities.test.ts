import t from "tap";
import type { Capability } from "../core/model.ts";
import { prefersChatTemplate } from "../core/template-choice.ts";
import { type CapabilitySource, capabilitiesOf } from "./capabilities.ts";

const CHAT = { pooling: false, vision: false, audio: false };
const SEES = { vision: true, audio: false };
const HEARS = { vision: false, audio: true };
const JINJA_TOOLS = "{% if tools %}{{ tools | tojson }}{% endif %}<tool_call>";
const GO_TOOLS = "{{ if .Tools }}{{ .Tools }}{{ end }}{{ range .Messages }}{{ .Content }}{{ end }}";
const GO_THINKING = "{{ range .Messages }}<think>{{ .Thinking }}</think>{{ end }}";

const ROWS: readonly [what: string, source: Partial<CapabilitySource>, found: Capability[]][] = [
  ["a plain model", { gguf: CHAT }, ["completion"]],
  ["an embedding model", { gguf: { ...CHAT, pooling: true } }, ["embedding"]],
  ["vision inside", { gguf: { ...CHAT, vision: true } }, ["completion", "vision"]],
  ["vision beside", { gguf: CHAT, projectors: [SEES] }, ["completion", "vision"]],
  ["hearing beside", { gguf: CHAT, projectors: [HEARS] }, ["completion", "audio"]],
  [
    "both in one projector",
    { gguf: CHAT, projectors: [{ vision: true, audio: true }] },
    ["completion", "vision", "audio"],
  ],
  [
    "a projector that does not say, or cannot be read",
    { gguf: CHAT, projectors: [{ vision: false, audio: false }, undefined] },
    ["completion", "vision"],
  ],
  ["audio", { gguf: { ...CHAT, audio: true } }, ["completion", "audio"]],
  ["Jinja tools", { gguf: { ...CHAT, chatTemplate: JINJA_TOOLS } }, ["completion", "tools"]],
  [
    "Jinja thinking",
    { gguf: { ...CHAT, chatTemplate: "{% if enable_thinking %}<think>{% endif %}" } },
    ["completion", "thinking"],
  ],
  [
    "Jinja thinking with other marks",
    { gguf: { ...CHAT, chatTemplate: "[THINK]{{ message.thinking }}[/THINK]" } },
    ["completion", "thinking"],
  ],
  [
    "Jinja channels",
    { gguf: { ...CHAT, chatTemplate: "{% if tools %}<|channel|>commentary" } },
    ["completion", "tools", "thinking"],
  ],
  ["Go tools", { gguf: CHAT, goTemplate: GO_TOOLS }, ["completion", "tools"]],
  ["Go tools, inner", { gguf: CHAT, goTemplate: "{{- $.Tools }}" }, ["completion", "tools"]],
  ["Go insert", { gguf: CHAT, goTemplate: "{{ .Prompt }}{{ .Suffix }}" }, ["completion", "insert"]],
  ["Go thinking", { gguf: CHAT, goTemplate: GO_THINKING }, ["completion", "thinking"]],
  [
    "words that are no variables",
    { gguf: CHAT, goTemplate: '.Tools {{/* .Tools */}}{{ "a .Suffix" }}{{ .Toolset }}' },
    ["completion"],
  ],
  [
    "Go counts where it offers as much",
    { gguf: { ...CHAT, chatTemplate: JINJA_TOOLS }, goTemplate: `${GO_TOOLS}{{ .Suffix }}` },
    ["completion", "tools", "insert"],
  ],
  [
    "Jinja counts where it offers more",
    { gguf: { ...CHAT, chatTemplate: JINJA_TOOLS }, goTemplate: "{{ .Prompt }}" },
    ["completion", "tools"],
  ],
  ["gpt-oss", { gguf: CHAT, family: "gptoss" }, ["completion", "thinking"]],
  ["a built-in parser", { gguf: CHAT, parser: "deepseek3" }, ["completion", "thinking"]],
  [
    "a built-in parser, and a template with tools",
    { gguf: { ...CHAT, chatTemplate: JINJA_TOOLS }, parser: "qwen3-thinking" },
    ["completion", "tools", "thinking"],
  ],
  ["a parser without thinking", { gguf: CHAT, parser: "qwen3-coder" }, ["completion"]],
  ["a parser of channels", { gguf: CHAT, parser: "harmony" }, ["completion", "thinking"]],
  ["a parser that nobody knows", { gguf: CHAT, parser: "newest" }, ["completion"]],
  [
    "a renderer, whose template Jinja's is",
    {
      gguf: { ...CHAT, chatTemplate: JINJA_TOOLS },
      goTemplate: `${GO_TOOLS}{{ .Suffix }}`,
      renderer: "qwen3-coder",
    },
    ["completion", "tools"],
  ],
  [
    "a renderer, and no Jinja",
    { gguf: CHAT, goTemplate: "{{ .Prompt }}", renderer: "qwen3-coder", parser: "qwen3-coder" },
    ["completion"],
  ],
  ["a parser that passes through", { gguf: CHAT, parser: "passthrough" }, ["completion"]],
  ["declared, and some nonsense", { declared: ["image", "flying"] }, ["image"]],
];

t.test("capabilities", (t) => {
  for (const [what, source, found] of ROWS) {
    const all = { projectors: [], family: "llama", declared: [], ...source };
    t.same(capabilitiesOf(all), found, what);
  }
  t.end();
});

t.test("the template that is used", (t) => {
  t.notOk(prefersChatTemplate(undefined, GO_TOOLS));
  t.notOk(prefersChatTemplate(JINJA_TOOLS, GO_TOOLS));
  t.ok(prefersChatTemplate(JINJA_TOOLS, "{{ .Prompt }}"));
  t.ok(prefersChatTemplate(JINJA_TOOLS, GO_TOOLS, "qwen3-coder"), "a renderer is Jinja's");
  t.notOk(prefersChatTemplate(undefined, GO_TOOLS, "qwen3-coder"));
  t.end();
});
