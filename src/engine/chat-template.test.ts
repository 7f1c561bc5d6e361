import t from "tap";
import type { Message } from "../core/inference.ts";
import { renderConversation, withLayers } from "./chat-template.ts";

const user: Message = { role: "user", content: "hi" };
const system: Message = { role: "system", content: "be brief" };
const example: Message = { role: "assistant", content: "an example" };

t.test("the model's layers come first", (t) => {
  const layers = { system: "default", messages: [example], dropsThinkTags: false };
  const own: Message = { role: "system", content: "default" };
  const input = (messages: readonly Message[], context?: readonly number[]) => ({
    kind: "messages" as const,
    messages,
    ...(context && { context }),
  });
  t.same(withLayers(input([user]), layers), [own, example, user]);
  t.same(withLayers(input([user], [1]), layers), [own, user], "a context stands in for MESSAGE");
  t.same(withLayers(input([system, user]), { ...layers, messages: [] }), [system, user]);
  t.same(withLayers(input([system, user]), layers), [system, example, user]);
  const developer: Message = { role: "developer", content: "be brief" };
  t.same(withLayers(input([developer, user]), layers), [system, example, user]);
  t.same(withLayers(input([user, developer]), { messages: [], dropsThinkTags: false }), [
    user,
    system,
  ]);
  t.same(withLayers(input([user]), { ...layers, messages: [system] }), [system, user]);
  t.same(withLayers(input([]), layers), [own, example]);
  t.same(withLayers(input([user]), { messages: [], dropsThinkTags: false }), [user]);
  const thought: Message = { role: "assistant", content: "<think>hm</think>an example" };
  const drops = { messages: [thought], dropsThinkTags: true };
  t.same(withLayers(input([thought, user]), drops), [example, example, user]);
  t.same(withLayers(input([user, thought]), drops), [example, user, thought]);
  t.end();
});

t.test("what a template is given", (t) => {
  const model = (jinja: string) => ({ jinja, go: undefined, bosToken: "<s>", eosToken: "</s>" });
  const calls: Message = {
    role: "assistant",
    content: "",
    thinking: "hm",
    toolCalls: [{ id: "1", name: "add", arguments: { a: 1 } }],
  };
  const answer: Message = { role: "tool", content: "2", toolName: "add", toolCallId: "1" };
  const rows: readonly [string, string][] = [
    ["{{ bos_token }}{{ messages[0].content }}{{ eos_token }}", "<s>hi</s>"],
    ["{% if add_generation_prompt %}go{% endif %}", "go"],
    ["{{ tools[0].function.name }}", "add"],
    ["{{ enable_thinking }} {{ reasoning_effort }}", "True high"],
    ["{{ messages[1].reasoning_content }}", "hm"],
    ["{{ messages[1].tool_calls[0].function.arguments | tojson }}", '{"a": 1}'],
    [
      "{% for m in messages %}{% for call in m.tool_calls or [] %}{{ call.function.arguments }}{% endfor %}{{ m.content }} {{ m.name }} {{ m.tool_call_id }}{% endfor %}",
      'hi  {"a":1}  2 add 1',
    ],
  ];
  const options = {
    tools: [{ type: "function", function: { name: "add" } }],
    think: "high" as const,
  };
  for (const [jinja, expected] of rows) {
    t.equal(renderConversation(model(jinja), [user, calls, answer], options, 0), expected, jinja);
  }
  t.equal(renderConversation(model("{{ tools is defined }}"), [user], {}, 0), "False");
  const day = Date.UTC(2001, 1, 3, 12);
  t.equal(
    renderConversation(model("{{ strftime_now('%d %b %Y') }}"), [user], {}, day),
    "03 Feb 2001",
  );
  t.equal(renderConversation(model("{{ enable_thinking is defined }}"), [user], {}, 0), "False");
  t.equal(renderConversation(model("{{ enable_thinking }}"), [user], { think: false }, 0), "False");
  t.end();
});

t.test("an answer that has begun goes on", (t) => {
  const turn = "{% for m in messages %}[{{ m.role }}]{{ m.content }}[end]{% endfor %}";
  const end = "{% if add_generation_prompt %}[assistant]";
  const close = "{% endif %}";
  const begun: Message = { role: "assistant", content: "The sky" };
  const thought: Message = { ...begun, thinking: "hm" };
  const call: Message = {
    role: "assistant",
    content: "",
    toolCalls: [{ name: "f", arguments: {} }],
  };
  const plain = turn + end + close;
  const thinks = `${plain}{# <think> #}`;
  const opens = `${turn}${end}<think>\n${close}`;
  const thinksNot = `${turn}${end}<think>\n\n</think>\n\n${close}`;
  const mistral = `${plain}{# [THINK] #}`;
  const harmony = `${turn}{% if add_generation_prompt %}<|start|>assistant${close}{# <|channel|> #}`;
  const rows: readonly [string, readonly Message[], string][] = [
    [plain, [user, begun], "[user]hi[end][assistant]The sky"],
    [plain, [user, thought], "[user]hi[end][assistant]The sky"],
    [
      plain,
      [user, call],
      '[user]hi[end][assistant]{"tool_calls":[{"name":"f","arguments":{},"id":"call00000"}]}[end][assistant]',
    ],
    [plain, [begun], "[assistant]The sky[end][assistant]"],
    [plain, [user, begun, user], "[user]hi[end][assistant]The sky[end][user]hi[end][assistant]"],
    [thinks, [user, begun], "[user]hi[end][assistant]The sky"],
    [thinks, [user, thought], "[user]hi[end][assistant]<think>\nhm\n</think>\n\nThe sky"],
    [opens, [user, begun], "[user]hi[end][assistant]<think>\n\n</think>\n\nThe sky"],
    [opens, [user, thought], "[user]hi[end][assistant]<think>\nhm\n</think>\n\nThe sky"],
    [thinksNot, [user, thought], "[user]hi[end][assistant]<think>\n\n</think>\n\nThe sky"],
    [mistral, [user, thought], "[user]hi[end][assistant][THINK]hm[/THINK]The sky"],
    [harmony, [user, begun], "[user]hi[end]<|start|>assistant<|channel|>final<|message|>The sky"],
    [
      harmony,
      [user, thought],
      "[user]hi[end]<|start|>assistant<|channel|>analysis<|message|>hm<|end|>" +
        "<|start|>assistant<|channel|>final<|message|>The sky",
    ],
  ];
  for (const [jinja, messages, expected] of rows) {
    const model = { jinja, go: undefined, bosToken: "", eosToken: "" };
    t.equal(renderConversation(model, messages, {}, 0), expected, jinja);
  }
  t.end();
});

t.test("the system speaks late and users twice, as agents let them", (t) => {
  const each = (turn: string) => `{% for m in messages %}${turn}{% endfor %}`;
  const shown = "[{{ m.role }}]{{ m.content }}";
  const late: Message = { role: "system", content: "and kind" };
  const again: Message = { role: "user", content: "again" };
  const claude = [system, user, late, example, again];
  const codex = [system, late, user, again];
  const rows: readonly (readonly [what: string, jinja: string, messages: Message[], string])[] = [
    [
      "shown where it is (ChatML)",
      each(shown),
      claude,
      "[system]be brief[user]hi[system]and kind[assistant]an example[user]again",
    ],
    [
      "left out (gpt-oss)",
      `[{{ messages[0].content }}]${each(`{% if m.role != 'system' %}${shown}{% endif %}`)}`,
      claude,
      "[be brief\n\nand kind][user]hi[assistant]an example[user]again",
    ],
    [
      "refused (Qwen 3.5)",
      each(
        `{% if m.role == 'system' and not loop.first %}{{ raise_exception('no') }}{% endif %}${shown}`,
      ),
      codex,
      "[system]be brief\n\nand kind[user]hi[user]again",
    ],
    [
      "turns must alternate (Gemma)",
      "{% if messages[0].role == 'system' %}{% set first = messages[0].content %}{% set rest = messages[1:] %}{% else %}{% set first = '' %}{% set rest = messages %}{% endif %}{{ first }}" +
        `{% for m in rest %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('no') }}{% endif %}${shown}{% endfor %}`,
      codex,
      "be brief\n\nand kind[user]hi\n\nagain",
    ],
  ];
  for (const [what, jinja, messages, expected] of rows) {
    const model = { jinja, go: undefined, bosToken: "", eosToken: "" };
    t.equal(renderConversation(model, messages, {}, 0), expected, what);
  }
  t.end();
});

t.test("a template that refuses the conversation is the client's mistake", (t) => {
  const model = {
    jinja: "{{ raise_exception('roles must alternate') }}",
    go: undefined,
    bosToken: "",
    eosToken: "",
  };
  t.throws(() => renderConversation(model, [user, user], {}, 0), {
    code: "INVALID_REQUEST",
    message: /roles must alternate/,
  });
  t.end();
});

t.test("without a template the words are the prompt", (t) => {
  const model = { jinja: undefined, go: undefined, bosToken: "", eosToken: "" };
  t.equal(renderConversation(model, [system, user, example], {}, 0), "hi\nan example");
  t.end();
});

t.test("what templates do not agree about", (t) => {
  const calls: Message = {
    role: "assistant",
    content: "One moment.",
    thinking: "hm",
    toolCalls: [{ id: "call_abcdefgh", name: "add", arguments: { a: 1 } }],
  };
  const answer: Message = { role: "tool", content: "2", toolCallId: "call_abcdefgh" };
  const ask: Message = { role: "user", content: "1 + 1?" };
  const each = (inCall: string, inAnswer = "{{ m.content }}", before = "") =>
    `{% for m in messages %}${before}{% for call in m.tool_calls or [] %}${inCall}{% endfor %}` +
    `{% if m.role == 'tool' %}${inAnswer}{% endif %}{% endfor %}`;
  const given = "{{ call.function.arguments }}";
  const rows: readonly (readonly [what: string, jinja: string, expected: string])[] = [
    [
      "arguments that are put in as text (DeepSeek)",
      each("{{ 'x' + call['function']['arguments'] }}"),
      'x{"a":1}2',
    ],
    [
      "arguments that are looked at first (Qwen)",
      each(
        "{% if call.function.arguments is string %}text{% else %}{{ call.function.arguments | tojson }}{% endif %}",
      ),
      '{"a": 1}2',
    ],
    [
      "ids of nine letters only (Mistral)",
      each(
        `{% if call.id | length != 9 %}{{ raise_exception('length 9') }}{% endif %}${given}{{ call.id }} `,
        "{{ m.content }} {{ m.tool_call_id }}",
      ),
      '{"a":1}call00000 2 call00000',
    ],
    [
      "ids of which it takes nine letters (Mistral Small)",
      each(
        `{% if call.id | length < 9 %}{{ raise_exception('length 9') }}{% endif %}${given}{{ call.id[-9:] }} `,
      ),
      '{"a":1}call00000 2',
    ],
    [
      "no content with thinking and calls (gpt-oss)",
      each(
        given,
        "{{ m.content }}",
        "{% if m.content and m.thinking %}{{ raise_exception('Cannot pass both content and thinking in') }}{% endif %}{{ m.thinking }}",
      ),
      'hm{"a":1}2',
    ],
    [
      "the tool's name with its answer",
      each(given, "{{ m.content }} {{ m.name }}"),
      '{"a":1}2 add',
    ],
    [
      "calls without content alone (DeepSeek)",
      each(
        "{% if m.content is none %}{{ call.function.arguments }}{% endif %}",
        "{{ m.content }}",
        "{% if m.content is not none and m.role != 'tool' %}[{{ m.content }}]{% endif %}",
      ),
      '[1 + 1?][One moment.]{"a":1}2',
    ],
    [
      "no calls (Granite)",
      "{% for m in messages %}{% if m.role in ['user', 'assistant'] %}[{{ m.role }}]{{ m.content }}{% endif %}{% endfor %}",
      '[user]1 + 1?[assistant]One moment.\n{"tool_calls":[{"name":"add","arguments":{"a":1},"id":"call_abcdefgh"}]}' +
        '[user]{"tool_response":{"tool":"add","content":"2","tool_call_id":"call_abcdefgh"}}',
    ],
    [
      "nothing of the system, and turns that alternate (Gemma 2)",
      "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('no') }}{% endif %}[{{ m.role }}]{{ m.content }}{% endfor %}",
      '[user]be brief\n\n1 + 1?[assistant]One moment.\n{"tool_calls":[{"name":"add","arguments":{"a":1},"id":"call_abcdefgh"}]}' +
        '[user]{"tool_response":{"tool":"add","content":"2","tool_call_id":"call_abcdefgh"}}',
    ],
    [
      "content in parts (Llama Guard 3)",
      "{% for m in messages %}{% for part in m.content | selectattr('type', 'equalto', 'text') %}[{{ m.role }}]{{ part.text }}{% endfor %}{% endfor %}",
      '[system]be brief[user]1 + 1?[assistant]One moment.\n{"tool_calls":[{"name":"add","arguments":{"a":1},"id":"call_abcdefgh"}]}[tool]2',
    ],
    [
      "the system's content in parts (Gemma 3)",
      "{% for m in messages %}[{{ m.role }}]{% if m.role == 'system' %}{{ m.content[0]['text'] + '.' }}{% else %}{{ m.content }}{% endif %}{% endfor %}",
      '[system]be brief.[user]1 + 1?[assistant]One moment.\n{"tool_calls":[{"name":"add","arguments":{"a":1},"id":"call_abcdefgh"}]}[tool]2',
    ],
  ];
  for (const [what, jinja, expected] of rows) {
    const model = { jinja, go: undefined, bosToken: "", eosToken: "" };
    const messages = /system|Guard/.test(what)
      ? [system, ask, calls, answer]
      : [ask, calls, answer];
    t.equal(renderConversation(model, messages, {}, 0), expected, what);
  }
  t.end();
});

t.test("two calls at once, for a template that takes one (Llama 3)", (t) => {
  const jinja =
    "{% for m in messages %}[{{ m.role }}]{% if m.tool_calls %}" +
    "{% if m.tool_calls | length != 1 %}{{ raise_exception('single') }}{% endif %}" +
    "{{ m.tool_calls[0].function.arguments }}{% endif %}{{ m.content }}{% endfor %}";
  const call = (id: string, a: number) => ({ id, name: "add", arguments: { a } });
  const both: Message = {
    ...{ role: "assistant", content: "Now.", thinking: "hm" },
    toolCalls: [call("x", 1), call("y", 2)],
  };
  const answer = (id: string, content: string): Message => ({
    ...{ role: "tool", content, toolCallId: id },
  });
  const model = { jinja, go: undefined, bosToken: "", eosToken: "" };
  const messages = [user, both, answer("y", "Y"), answer("x", "X"), user];
  t.equal(
    renderConversation(model, messages, {}, 0),
    '[user]hi[assistant]{"a":1}Now.[tool]X[assistant]{"a":2}[tool]Y[user]hi',
  );
  t.equal(
    renderConversation(model, [user, both, answer("x", "X")], {}, 0),
    '[user]hi[assistant]{"a":1}Now.[tool]X[assistant]{"a":2}',
    "one without an answer",
  );
  t.end();
});
