import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { TestCluster, until } from "../fixtures/cluster.ts";
import { TestDaemon } from "../fixtures/daemon.ts";
import { call, ndjson } from "../fixtures/http.ts";
import { OciRegistry } from "../fixtures/oci-registry.ts";

const QUESTION = "what is the capital of Norway?";
const ANSWER = "The capital of Norway is Oslo.";

const named = (body: Record<string, unknown>, name: string): boolean =>
  (body["models"] as { name: string }[]).some((model) => model.name === name);

const bothAlive = ({ nodes }: Record<string, unknown>): boolean =>
  (nodes as { health: string }[]).filter(({ health }) => health === "alive").length === 2;

t.test("models go to registries and come from them, a node among these", async (t) => {
  const cluster = await TestCluster.open();
  t.teardown(() => cluster[Symbol.asyncDispose]());
  const registry = await OciRegistry.open(t);
  await cluster.importDemo("a");
  const [a, b] = await Promise.all(["a", "b"].map((name) => cluster.start(name).ready()));
  if (!a || !b) throw new Error("two were started");
  await until(`${b.apiUrl}/api/tags`, (body) => named(body, "tiny-chat:latest"));
  await until(`${b.apiUrl}/api/cluster/nodes`, bothAlive);
  const there = `${registry.host}/team/tiny:v1`;

  await t.test("a push through the node that does not hold it, a pull to it", async (t) => {
    const copied = await call(`${b.apiUrl}/api/copy`, { source: "tiny-chat", destination: there });
    t.equal(copied.status, 200, copied.text);
    t.equal(copied.headers["x-ollamamax-missed"], undefined, "nobody was away");
    const pushed = await call(`${b.apiUrl}/api/push`, { model: there, insecure: true });
    t.equal(pushed.status, 200, pushed.text);
    const pushLines = ndjson(pushed.text).map(({ status }) => String(status));
    t.equal(pushLines[0], "retrieving manifest");
    t.same(pushLines.slice(-2), ["pushing manifest", "success"]);
    t.equal(registry.manifests.size, 1);

    await fetch(`${b.apiUrl}/api/delete`, { method: "DELETE", body: `{"name":"${there}"}` });
    const pulled = await call(`${b.apiUrl}/api/pull`, { model: there, insecure: true });
    const lines = ndjson(pulled.text);
    t.equal(lines[0]?.["status"], "pulling manifest", pulled.text);
    t.same(
      lines.slice(-3).map(({ status }) => status),
      ["verifying sha256 digest", "writing manifest", "success"],
    );
    t.same(lines.at(-1), { status: "success" });
    const local = JSON.parse((await call(`${b.apiUrl}/api/tags?local=true`)).text);
    t.ok(named(local, there), "it came to the node that was asked");
    const chat = await call(`${b.apiUrl}/api/chat`, {
      ...{ model: there, messages: [{ role: "user", content: QUESTION }], stream: false },
      options: { temperature: 0 },
    });
    t.equal(JSON.parse(chat.text).message.content, ANSWER);
  });

  await t.test("the commands, and what they say of what is not there", async (t) => {
    const run = async (args: readonly string[]) => {
      await using command = new TestDaemon({ OLLAMA_HOST: a.apiUrl }, args);
      const { code, stderr } = await command.ended;
      return { code, stderr, stdout: command.output };
    };
    t.match(await run(["pull", there, "--insecure"]), {
      code: 0,
      stdout: "",
      stderr: /^pulling manifest\n(.*\n)*writing manifest\nsuccess\n$/,
    });
    t.match(await run(["push", there, "--insecure", "--json"]), {
      code: 0,
      stdout: /\{"status":"success"\}\n$/,
    });
    t.match(await run(["pull", `${registry.host}/team/none`, "--insecure"]), {
      code: 1,
      stderr: /ollamamax: pull model manifest: file does not exist\n$/,
    });
    t.match(await run(["push", "nobody"]), { code: 1, stderr: /couldn't retrieve manifest/ });
    t.match(await run(["pull", `http://${there}`]), { stderr: /insecure protocol http\n$/ });
  });

  await t.test("a node is a registry", async (t) => {
    const { host } = new URL(a.apiUrl);
    const at = `${a.apiUrl}/v2/library/tiny-chat`;
    t.equal((await call(`${a.apiUrl}/v2/`)).status, 200);
    t.same(JSON.parse((await call(`${at}/tags/list`)).text).tags, ["latest"]);
    const manifest = await call(`${at}/manifests/latest`);
    const digest = createHash("sha256").update(manifest.text).digest("hex");
    t.equal(manifest.headers["docker-content-digest"], `sha256:${digest}`);
    const [layer] = JSON.parse(manifest.text).layers;
    const file = readFileSync("deploy/models/tiny-chat.gguf");
    const blob = await fetch(`${at}/blobs/${layer.digest}`, { headers: { Range: "bytes=8-15" } });
    t.equal(blob.status, 206);
    t.equal(blob.headers.get("content-range"), `bytes 8-15/${file.length}`);
    t.same(Buffer.from(await blob.arrayBuffer()), file.subarray(8, 16));
    const whole = await fetch(`${at}/blobs/${layer.digest}`);
    t.equal(whole.headers.get("location"), `${at}/blobs/${layer.digest}`, "for Ollama's client");
    t.same(Buffer.from(await whole.arrayBuffer()), file);
    for (const [place, status, code] of [
      [`${at}/manifests/none`, 404, "MANIFEST_UNKNOWN"],
      [`${at}/blobs/sha256:${"0".repeat(64)}`, 404, "BLOB_UNKNOWN"],
      [`${at}/blobs/sha256:..%2f..%2fx`, 400, "DIGEST_INVALID"],
      [`${a.apiUrl}/v2/library/none/tags/list`, 404, "NAME_UNKNOWN"],
      [`${a.apiUrl}/v2/..%2f..%2fetc/manifests/x`, 400, "NAME_INVALID"],
    ] as const) {
      const refused = await call(place);
      t.equal(refused.status, status, `${place} ${refused.text}`);
      t.equal(JSON.parse(refused.text).errors[0].code, code);
    }

    const name = `${host}/library/tiny-chat`;
    const pulled = await call(`${b.apiUrl}/api/pull`, {
      model: name,
      insecure: true,
      stream: false,
    });
    t.equal(pulled.text, '{"status":"success"}');
    const local = await until(`${b.apiUrl}/api/tags?local=true`, (body) =>
      named(body, `${name}:latest`),
    );
    t.ok(local);
    const blobs = path.join(cluster.dataDir("b"), "models/blobs");
    t.same(readFileSync(path.join(blobs, layer.digest.replace(":", "-"))), file);
  });
});
