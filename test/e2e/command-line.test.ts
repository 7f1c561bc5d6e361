import { createServer } from "node:net";
import path from "node:path";
import t from "tap";
import { TestDaemon } from "../fixtures/daemon.ts";
import { tempFolder } from "../fixtures/temp-folder.ts";

const run = async (args: readonly string[], env: Readonly<Record<string, string>> = {}) => {
  await using process = new TestDaemon(env, args);
  const { code, stderr } = await process.ended;
  return { code, stderr, stdout: process.output };
};

t.test("--version and --help", async (t) => {
  t.match(await run(["--version"]), { code: 0, stdout: /^ollamamax \d+\.\d+\.\d+\n$/ });
  for (const command of [
    "up",
    "serve",
    "import",
    "import-leveldb",
    "key",
    "registry",
    "migrate",
    "config",
  ]) {
    t.match(await run(["--help"]), { code: 0, stdout: new RegExp(`ollamamax ${command}`) });
    t.match(await run([command, "--help"]), {
      code: 0,
      stdout: new RegExp(`^ollamamax ${command}`),
    });
  }
});

t.test("help COMMAND, and Ollama's other names", async (t) => {
  t.match(await run(["help", "run"]), { code: 0, stdout: /^ollamamax run MODEL/ });
  t.match(await run(["ls", "--help"]), { code: 0, stdout: /^ollamamax list / });
  t.match(await run(["start", "--help"]), { code: 0, stdout: /^ollamamax serve / });
  t.match(await run(["help"]), { code: 0, stdout: /ollamamax COMMAND --help/ });
  t.match(await run(["help", "nonsense"]), { code: 2, stderr: /no command "nonsense"/ });
});

t.test("mistakes end with code 2 and one line that says what to do", async (t) => {
  const rows: readonly [string[], Record<string, string>, RegExp][] = [
    [["nonsense"], {}, /^ollamamax: there is no command "nonsense"\. See ollamamax --help\.\n$/],
    [
      ["serve", "--wrong"],
      {},
      /^ollamamax: there is no option --wrong\. See ollamamax serve --help\.\n$/,
    ],
    [["up", "--nodes", "0"], {}, /^ollamamax: --nodes takes a whole number/],
    [["import", "one"], {}, /^ollamamax: import takes FILE and NAME/],
    [["--wrong"], {}, /^ollamamax: there is no option "--wrong"\. See ollamamax --help\.\n$/],
    [["replicas", "--want", "2"], {}, /^ollamamax: --want takes the name of a MODEL/],
    [
      ["serve"],
      { OLLAMA_API_PORT: "x" },
      /^ollamamax: OLLAMA_API_PORT="x" is not valid: it must be/,
    ],
    [["serve"], { OLLAMA_TYPO: "1" }, /^ollamamax: OLLAMA_TYPO="1" is not a variable of OllamaMax/],
  ];
  for (const [args, env, stderr] of rows) {
    t.match(await run(args, env), { code: 2, stderr }, args.join(" "));
  }
});

t.test("config shows what holds and never a secret", async (t) => {
  const env = { OLLAMA_DB_PASSWORD: "hunter2", OLLAMA_P2P_PORT: "5001" };
  const shown = await run(["config"], env);
  t.equal(shown.code, 0);
  t.match(shown.stdout, /OLLAMA_P2P_PORT +5001 +environment/);
  t.match(shown.stdout, /OLLAMA_DB_PASSWORD +\(secret\) +environment/);
  t.notMatch(shown.stdout, /hunter2/);
  const { stdout } = await run(["config", "--json"], env);
  t.same(JSON.parse(stdout)["OLLAMA_P2P_PORT"], { value: 5001, source: "environment" });
});

t.test("import: a missing file, no GGUF, a bad name; then a real one, twice", async (t) => {
  const dir = tempFolder(t, { "text.gguf": "not a model" });
  const env = { OLLAMA_DATA_DIR: path.join(dir, "data") };
  const model = "deploy/models/tiny-chat.gguf";
  t.match(await run(["import", path.join(dir, "absent.gguf"), "m"], env), { code: 1 });
  t.match(await run(["import", path.join(dir, "text.gguf"), "m"], env), { code: 1 });
  t.match(await run(["import", model, "../m"], env), { code: 1 });
  const first = await run(["import", model, "m", "--json"], env);
  t.equal(first.code, 0, first.stderr);
  t.match(JSON.parse(first.stdout), { name: "m:latest", sizeBytes: Number });
  const second = await run(["import", model, "m", "--json"], env);
  t.equal(second.stdout, first.stdout);
});

t.test("up refuses a taken port before it starts anything", async (t) => {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  const port = typeof address === "object" && address ? String(address.port) : "";
  const env = { OLLAMA_DATA_DIR: tempFolder(t), OLLAMA_API_PORT: port };
  t.match(await run(["up"], env), { code: 1, stderr: new RegExp(`port ${port} .*is in use`) });
  await new Promise((resolve) => server.close(resolve));
});
