import t from "tap";
import { settingsOf } from "../run.ts";
import { type Action, parseCommand } from "./session-command.ts";
import { chatRequest, type Settings, saveRequest } from "./settings.ts";
import { shownPart } from "./shown-part.ts";

const START = settingsOf("m", {});

t.test("commands that change nothing", (t) => {
  const unknown = (command: string): Action => ({
    ...{ kind: "say", text: `Unknown command '${command}'. Type /? for help` },
  });
  const rows: readonly (readonly [line: string, action: object])[] = [
    ["/bye", { kind: "leave" }],
    ["/exit", { kind: "leave" }],
    ["/clear", { kind: "clear" }],
    ["/load llama3.2", { kind: "load", model: "llama3.2" }],
    ["/load", { kind: "say", text: "Usage:\n  /load MODEL" }],
    ["/load a b", { kind: "say", text: "Usage:\n  /load MODEL" }],
    ["/save mine", { kind: "save", model: "mine" }],
    ["/show info", { kind: "show", part: "info" }],
    ["/show modelfile", { kind: "show", part: "modelfile" }],
    ["/show", { kind: "say", text: /\/show license/ }],
    ["/show me", unknown("/show me")],
    ["/?", { kind: "say", text: /\/load MODEL .*begin a multi-line message/s }],
    ["/help", { kind: "say", text: /\/load MODEL/ }],
    ["/? set", { kind: "say", text: /\/set noformat/ }],
    ["/help /show", { kind: "say", text: /\/show template/ }],
    ["/? shortcuts", { kind: "say", text: /Ctrl \+ d/ }],
    ["/? constructor", { kind: "say", text: /\/load MODEL/ }],
    ["/set", { kind: "say", text: /\/set parameter/ }],
    ["/set system", { kind: "say", text: /\/set system/ }],
    ["/set bogus", unknown("/set bogus")],
    ["/set constructor", unknown("/set constructor")],
    ["/set format", { kind: "say", text: /^Invalid or missing format/ }],
    ["/set format yaml", { kind: "say", text: /^Invalid or missing format/ }],
    ["/set parameter", { kind: "say", text: /^Available Parameters:/ }],
    ["/set parameter seed", { kind: "say", text: /^Available Parameters:/ }],
    [
      "/set parameter seed x",
      { kind: "say", text: "Couldn't set parameter: invalid int value [x]" },
    ],
    ["/set parameter speed 1", { kind: "say", text: /: unknown parameter 'speed'$/ }],
    ["/", unknown("/")],
    ["/nope now", unknown("/nope")],
    ["/byebye", unknown("/byebye")],
    ["/constructor", unknown("/constructor")],
    ["/home/me/picture.png", unknown("/home/me/picture.png")],
  ];
  for (const [line, action] of rows) t.match(parseCommand(line, START), action, line);
  t.end();
});

t.test("commands that change what the next request says", (t) => {
  const rows: readonly (readonly [line: string, change: Partial<Settings>, text: string])[] = [
    ["/set verbose", { isVerbose: true }, "Set 'verbose' mode."],
    ["/set quiet", { isVerbose: false }, "Set 'quiet' mode."],
    ["/set think", { think: true }, "Set 'think' mode."],
    ["/set think high", { think: "high" }, "Set 'think' mode to 'high'."],
    ["/set nothink", { think: false }, "Set 'nothink' mode."],
    ["/set format json", { format: "json" }, "Set format to 'json' mode."],
    ["/set noformat", { format: undefined }, "Disabled format."],
    [
      "/set parameter temperature 0.5",
      { options: { seed: 7, temperature: 0.5 } },
      "Set parameter 'temperature' to '0.5'",
    ],
    [
      "/set parameter stop a b",
      { options: { seed: 7, stop: ["a", "b"] } },
      "Set parameter 'stop' to 'a, b'",
    ],
  ];
  const before: Settings = { ...START, options: { seed: 7 }, isVerbose: true, format: "json" };
  for (const [line, change, text] of rows) {
    const settings = { ...before, ...change };
    t.same(parseCommand(line, before), { kind: "change", settings, text }, line);
  }
  t.end();
});

t.test("requests hold what was set, and nothing else", (t) => {
  const messages = [{ role: "user", content: "hi" }] as const;
  t.same(chatRequest(START, messages), { model: "m", messages });
  const all: Settings = {
    ...{ ...START, system: "s", options: { seed: 1 }, format: "json", think: false, keepAlive: -1 },
  };
  t.same(chatRequest(all, messages), {
    ...{ model: "m", keep_alive: -1, options: { seed: 1 }, format: "json", think: false },
    messages: [{ role: "system", content: "s" }, ...messages],
  });
  t.same(saveRequest("mine", START, []), { model: "mine", from: "m" });
  t.same(saveRequest("mine", all, messages), {
    ...{ model: "mine", from: "m", system: "s", parameters: { seed: 1 }, messages },
  });
  t.end();
});

t.test("what /show prints", (t) => {
  const shown = { license: "MIT", modelfile: "FROM x", system: "own", parameters: "top_k 1" };
  const set = { ...START, system: "set", options: { stop: ["a", "b"] } };
  t.equal(shownPart("license", shown, START), "MIT");
  t.equal(shownPart("license", {}, START), "No license was specified for this model.");
  t.equal(shownPart("template", {}, START), "No prompt template was specified for this model.");
  t.equal(shownPart("modelfile", shown, START), "FROM x");
  t.equal(shownPart("system", shown, START), "own");
  t.equal(shownPart("system", shown, set), "set");
  t.equal(shownPart("system", {}, START), "No system message was specified for this model.");
  t.match(shownPart("parameters", {}, START), /^Model defined parameters:\n {2}No additional/);
  t.match(shownPart("parameters", shown, set), /\n {2}top_k 1\n.*User .*:\n {2}stop +a, b\n/s);
  t.match(shownPart("info", { details: { family: "llama" } }, START), /architecture +llama/);
  t.end();
});
