import t from "tap";
import { questionOf, settingsOf } from "./run.ts";

t.test("what comes on standard input, then the words", (t) => {
  const rows = [
    ["", [], ""],
    ["", ["why"], "why"],
    ["", ["why", "is", "the sky", "blue"], "why is the sky blue"],
    ["text\n", [], "text\n"],
    ["text\n", ["sum", "it"], "text\n sum it"],
    [" \n", [], ""],
  ] as const;
  for (const [piped, words, question] of rows) t.equal(questionOf(piped, words), question);
  t.end();
});

t.test("options", (t) => {
  t.match(settingsOf("m", {}), { model: "m", isVerbose: false, hidesThinking: false });
  const rows: readonly (readonly [option: object, settings: object])[] = [
    [{ keepalive: "-1" }, { keepAlive: -1 }],
    [{ keepalive: "300" }, { keepAlive: 300 }],
    [{ keepalive: "1h5m" }, { keepAlive: "1h5m" }],
    [{ think: "true" }, { think: true }],
    [{ think: "false" }, { think: false }],
    [{ think: "high" }, { think: "high" }],
    [{ think: "max" }, { think: "max" }],
    [{ format: "json" }, { format: "json" }],
    [{ format: '{"type":"object"}' }, { format: { type: "object" } }],
    [
      { system: "s", verbose: true, hidethinking: true },
      { system: "s", hidesThinking: true },
    ],
  ];
  for (const [option, settings] of rows) {
    t.match(settingsOf("m", { ...option }), settings, JSON.stringify(option));
  }
  const wrong: readonly (readonly [option: object, message: RegExp])[] = [
    [{ keepalive: "soon" }, /^--keepalive takes a time such as 5m, or -1, not "soon"$/],
    [{ think: "hard" }, /^--think takes true, false, low, medium, high, max, not "hard"$/],
    [{ format: "{" }, /^--format takes json/],
  ];
  for (const [option, message] of wrong) {
    t.throws(() => settingsOf("m", { ...option }), { code: "USAGE", message });
  }
  t.end();
});
