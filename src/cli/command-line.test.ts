import t from "tap";
import type { Command } from "./command.ts";
import { parseCommandLine } from "./command-line.ts";

const command: Command = {
  usage: "",
  help: "",
  options: {
    system: { type: "string" },
    keepalive: { type: "string" },
    file: { type: "string", short: "f" },
    think: { type: "string" },
    verbose: { type: "boolean", short: "v" },
    json: { type: "boolean" },
  },
  optionalValues: { think: "true" },
  positionals: ["MODEL"],
  restPositional: "PROMPT",
  run: async () => 0,
};

t.test("options and arguments, in any order", (t) => {
  const rows: readonly (readonly [argv: readonly string[], options: object, words: string[]])[] = [
    [["m"], {}, ["m"]],
    [["m", "why", "is", "it"], {}, ["m", "why", "is", "it"]],
    [["m", "--verbose", "hi"], { verbose: true }, ["m", "hi"]],
    [["--keepalive", "-1", "m"], { keepalive: "-1" }, ["m"]],
    [["--keepalive=-1", "m"], { keepalive: "-1" }, ["m"]],
    [["--system", "--verbose", "m"], { system: "--verbose" }, ["m"]],
    [["--system=a=b\nc", "m"], { system: "a=b\nc" }, ["m"]],
    [["--system=", "m"], { system: "" }, ["m"]],
    [["m", "--think"], { think: "true" }, ["m"]],
    [["m", "--think", "high"], { think: "true" }, ["m", "high"]],
    [["m", "--think=high"], { think: "high" }, ["m"]],
    [["--verbose=false", "--json=true", "m"], { verbose: false, json: true }, ["m"]],
    [["-v", "m"], { verbose: true }, ["m"]],
    [["-vf", "-", "m"], { verbose: true, file: "-" }, ["m"]],
    [["-fx", "m"], { file: "x" }, ["m"]],
    [["-f=x", "m"], { file: "x" }, ["m"]],
    [["m", "-"], {}, ["m", "-"]],
    [["m", "--", "--verbose", "-v", "--"], {}, ["m", "--verbose", "-v", "--"]],
    [["--system", "a", "--system", "b", "m"], { system: "b" }, ["m"]],
    [["--help"], { help: true }, []],
    [["-h", "m"], { help: true }, ["m"]],
  ];
  for (const [argv, options, positionals] of rows) {
    t.same(parseCommandLine("run", command, argv), { options, positionals }, argv.join(" "));
  }
  t.end();
});

t.test("mistakes, each in one line with the next step", (t) => {
  const rows: readonly (readonly [argv: readonly string[], problem: string])[] = [
    [["m", "--wrong"], "there is no option --wrong"],
    [["m", "--wrong=1"], "there is no option --wrong"],
    [["m", "--constructor"], "there is no option --constructor"],
    [["m", "--=x"], "there is no option --"],
    [["m", "-x"], "there is no option -x"],
    [["m", "-1"], "there is no option -1"],
    [["m", "-vx"], "there is no option -x"],
    [["m", "--system"], "--system takes a value"],
    [["m", "-f"], "-f takes a value"],
    [["m", "--verbose=yes"], "--verbose takes no value"],
    [[], "run takes MODEL"],
  ];
  for (const [argv, problem] of rows) {
    const message = `${problem}. See ollamamax run --help.`;
    t.throws(() => parseCommandLine("run", command, argv), { code: "USAGE", message });
  }
  const two: Command = { ...command, positionals: ["FILE", "NAME"] };
  const none: Command = { ...command, positionals: [] };
  const message = "x takes FILE and NAME. See ollamamax x --help.";
  t.throws(() => parseCommandLine("x", two, ["a"]), { message });
  const { restPositional: _rest, ...fixed } = none;
  t.throws(() => parseCommandLine("x", fixed, ["a"]), { message: /^x takes no arguments\./ });
  const optional: Command = { ...fixed, optionalPositionals: ["A"] };
  t.same(parseCommandLine("x", optional, ["a"]).positionals, ["a"]);
  t.throws(() => parseCommandLine("x", optional, ["a", "b"]), { message: /^x takes at most A\./ });
  t.throws(() => parseCommandLine("x", { ...optional, positionals: ["B"] }, ["a", "b", "c"]), {
    message: /^x takes at most B and A\./,
  });
  t.end();
});
