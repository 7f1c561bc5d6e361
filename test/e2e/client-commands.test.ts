import t from "tap";
import { TestCluster, until } from "../fixtures/cluster.ts";
import { TestDaemon } from "../fixtures/daemon.ts";

t.test("the commands that call a node, on one that does not hold the model", async (t) => {
  const cluster = await TestCluster.open();
  t.teardown(() => cluster[Symbol.asyncDispose]());
  await cluster.importDemo("holder");
  cluster.start("holder");
  const { apiUrl } = await cluster.start("other").ready();
  await until(`${apiUrl}/api/tags`, (body) => (body["models"] as unknown[]).length === 1);
  const call = async (args: readonly string[], env: Readonly<Record<string, string>> = {}) => {
    await using command = new TestDaemon({ OLLAMA_HOST: apiUrl, ...env }, args);
    const { code, stderr } = await command.ended;
    return { code, stderr, stdout: command.output };
  };
  const ok = { code: 0 };

  t.match(await call(["list"]), {
    ...ok,
    stdout: /^NAME +ID +SIZE +MODIFIED\ntiny-chat:latest +[0-9a-f]{12} +2\.0 MB +.* ago\n$/,
  });
  t.match(await call(["list", "none"]), { ...ok, stdout: /^NAME [^\n]*\n$/ });
  t.match(JSON.parse((await call(["list", "--json"])).stdout), {
    models: [{ name: "tiny-chat:latest" }],
  });
  t.match(await call(["list", "--local"]), { ...ok, stdout: /^NAME [^\n]*\n$/ });
  const answered = await call(["run", "tiny-chat", "why is the sky blue?", "--verbose"]);
  t.match(answered, {
    ...ok,
    stdout: /^The sky is blue.*\n$/,
    stderr: /eval rate: +[\d.]+ tokens\/s/,
  });
  await until(`${apiUrl}/api/ps`, (body) => (body["models"] as unknown[]).length === 1);
  t.match(await call(["ps", "--json"]), { ...ok, stdout: /tiny-chat:latest/ });
  t.match(await call(["show", "tiny-chat"]), { ...ok, stdout: / {4}context length +1024\n/ });
  t.match(await call(["show", "tiny-chat", "--modelfile"]), { ...ok, stdout: /^# Modelfile/ });
  t.match(await call(["show", "tiny-chat", "--system", "--template"]), { code: 2 });
  t.match(await call(["stop", "tiny-chat"]), { ...ok, stdout: "", stderr: "" });
  await until(`${apiUrl}/api/ps`, (body) => (body["models"] as unknown[]).length === 0);
  t.match(await call(["show", "nobody"]), {
    ...{ code: 1, stderr: "ollamamax: model 'nobody:latest' not found\n" },
  });
  t.match(await call(["stop", "nobody"]), {
    code: 1,
    stderr: /^ollamamax: .*nobody.*not found\n$/,
  });
  t.match(await call(["run", "tiny-chat", "hi", "--format", "{"]), { code: 2 });
  t.match(await call(["list"], { OLLAMA_HOST: "a b" }), { code: 2, stderr: /OLLAMA_HOST/ });
});
