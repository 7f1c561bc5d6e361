import { cpSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { TestCluster, until } from "../fixtures/cluster.ts";
import { TestDaemon } from "../fixtures/daemon.ts";
import { splitGguf } from "../fixtures/split-gguf.ts";
import { tempFolder } from "../fixtures/temp-folder.ts";

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
  t.equal((await call(["ls"])).stdout.split("\n").length, 3);
  t.match(await call(["list", "none"]), { ...ok, stdout: /^NAME [^\n]*\n$/ });
  t.match(JSON.parse((await call(["list", "--json"])).stdout), {
    models: [{ name: "tiny-chat:latest" }],
  });
  t.match(await call(["list", "--local"]), { ...ok, stdout: /^NAME [^\n]*\n$/ });
  const answered = await call([
    ...["run", "tiny-chat", "why", "is", "the sky", "blue?", "-v", "--keepalive", "-1"],
  ]);
  t.match(answered, {
    ...ok,
    stdout: /^The sky is blue.*\n$/,
    stderr: /eval rate: +[\d.]+ tokens\/s/,
  });
  await until(`${apiUrl}/api/ps`, (body) => (body["models"] as unknown[]).length === 1);
  t.match(await call(["ps", "Tiny", "--json"]), { ...ok, stdout: /tiny-chat:latest/ });
  t.match(await call(["ps", "none"]), { ...ok, stdout: /^NAME [^\n]*\n$/ });
  t.match(await call(["show", "tiny-chat"]), { ...ok, stdout: / {4}context length +1024\n/ });
  t.match(await call(["show", "tiny-chat", "--modelfile"]), { ...ok, stdout: /^# Modelfile/ });
  t.match(await call(["show", "tiny-chat", "--system", "--template"]), { code: 2 });
  t.match(await call(["stop", "tiny-chat"]), { ...ok, stdout: "", stderr: "" });
  await until(`${apiUrl}/api/ps`, (body) => (body["models"] as unknown[]).length === 0);
  t.match(await call(["show", "nobody"]), {
    ...{ code: 1, stderr: /^ollamamax: model 'nobody:latest' not found: `ollamamax list` lists/ },
  });
  t.match(await call(["stop", "nobody"]), {
    code: 1,
    stderr: /^ollamamax: .*nobody.*not found: [^\n]+\n$/,
  });
  t.match(await call(["run", "tiny-chat", "hi", "--format", "{"]), { code: 2 });
  t.match(await call(["run", "tiny-chat", "hi", "--think"]), {
    ...{ code: 1, stderr: /^ollamamax: .* does not support thinking\n$/ },
  });
  // Its reader has gone, as with `| head -c 5`.
  await using unread = new TestDaemon({ OLLAMA_HOST: apiUrl }, ["run", "tiny-chat", "hi"]);
  unread.child.stdout?.destroy();
  t.match(await unread.ended, { code: 0, stderr: "" });

  const folder = tempFolder(t);
  const modelfile = path.join(folder, "Modelfile");
  cpSync("deploy/models/tiny-chat.gguf", path.join(folder, "my.gguf"));
  writeFileSync(
    modelfile,
    'FROM ./my.gguf\nSYSTEM """You are a pirate."""\nPARAMETER temperature 0\n',
  );
  t.match(await call(["create", "pirate", "--file", modelfile]), {
    ...{ ...ok, stderr: /writing manifest\nsuccess\n$/ },
  });
  t.match(await call(["show", "pirate", "--system"]), { ...ok, stdout: "You are a pirate.\n" });
  t.match(await call(["show", "pirate", "--parameters"]), { ...ok, stdout: /^temperature +0\n$/ });
  t.match(await call(["run", "pirate", "hello"]), { ...ok, stdout: /\w/ });
  writeFileSync(modelfile, "FROM pirate\nSYSTEM other\n");
  t.match(await call(["create", "other", "-f", modelfile, "--json"]), {
    ...{ ...ok, stdout: /\{"status":"success"\}\n$/ },
  });
  t.match(await call(["create", "small", "-q", "q8_0", "-f", modelfile]), {
    ...{ ...ok, stderr: /^quantizing F16 model to Q8_0\nverifying conversion\n/ },
  });
  t.match(await call(["show", "small"]), { ...ok, stdout: / {4}quantization +Q8_0\n/ });
  t.match(await call(["create", "x", "--quantize", "q9", "-f", modelfile]), {
    ...{ code: 1, stderr: /^ollamamax: unsupported quantization type Q9 / },
  });
  t.match(await call(["cp", "other", "third"]), { ...ok, stdout: "copied 'other' to 'third'\n" });
  t.match(await call(["rm", "pirate", "other"]), {
    ...{ ...ok, stdout: "deleted 'pirate'\ndeleted 'other'\n" },
  });
  t.match(await call(["rm", "third", "pirate", "small"]), {
    ...{ code: 1, stdout: "deleted 'third'\ndeleted 'small'\n" },
    stderr: /^ollamamax: .*pirate.* not found: [^\n]+\n$/,
  });
  t.match(await call(["create", "x", "-f", path.join(folder, "none")]), {
    ...{ code: 2, stderr: /^ollamamax: the Modelfile cannot be read: / },
  });
  t.match(await call(["create", "a b", "-f", path.join(folder, "none")]), {
    ...{ code: 2, stderr: /^ollamamax: "a b" is no model's name: / },
  });
  writeFileSync(modelfile, Buffer.from("\uFEFFFROM ./missing.gguf\r\n", "utf16le"));
  t.match(await call(["create", "x", "-f", modelfile]), {
    ...{ code: 2, stderr: /^ollamamax: there is no file \S+missing\.gguf, which the Modelfile/ },
  });
  t.match(await call(["create", "x", "-f", "-"]), { code: 1, stderr: /no FROM line/ });

  const empty = tempFolder(t);
  writeFileSync(modelfile, `FROM ${empty}\n`);
  t.match(await call(["create", "x", "-f", modelfile]), { code: 2, stderr: /there is no GGUF/ });
  const parts = ["x-00001-of-00002.gguf", "x-00002-of-00002.gguf"];
  for (const [i, bytes] of (await splitGguf("deploy/models/tiny-chat.gguf", [20, 18])).entries()) {
    writeFileSync(path.join(empty, parts[i] ?? ""), bytes);
  }
  for (const from of [empty, path.join(empty, parts[1] ?? "")]) {
    writeFileSync(modelfile, `FROM ${from}\n`);
    t.match(await call(["create", "merged", "-f", modelfile]), {
      ...{ ...ok, stderr: /merging GGUF parts\n.*success\n$/s },
    });
    t.match(await call(["run", "merged", "why is the sky blue?"]), { stdout: /^The sky is blue/ });
    t.match(await call(["rm", "merged"]), ok);
  }
  rmSync(path.join(empty, parts[0] ?? ""));
  t.match(await call(["create", "x", "-f", modelfile]), { code: 2, stderr: /cannot be read/ });

  t.match(await call(["list"], { OLLAMA_HOST: "a b" }), { code: 2, stderr: /OLLAMA_HOST/ });
});
