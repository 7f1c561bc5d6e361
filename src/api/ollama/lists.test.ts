import t from "tap";
import {
  digestOf,
  type FakeCluster,
  fakeCluster,
  nodeOf,
  recordOf,
} from "../../../test/fixtures/fake-cluster.ts";
import type { LoadedModel } from "../../core/inference.ts";
import { createApp } from "../app.ts";
import { localTimestamp } from "./times.ts";

const running = (): boolean => false;
const LLAMA = "registry.ollama.ai/library/llama:latest";
const HOUR_MS = 3_600_000;

async function listOf(cluster: FakeCluster, path: string): Promise<Record<string, unknown>[]> {
  const response = await createApp(cluster, running).request(path);
  const body = (await response.json()) as { models: Record<string, unknown>[] };
  return body.models;
}

t.test("an empty cluster lists nothing, and not null", async (t) => {
  const app = createApp(fakeCluster({ records: [] }), running);
  for (const path of ["/api/tags", "/api/tags?local=true", "/api/ps", "/api/ps?local=true"]) {
    t.equal(await (await app.request(path)).text(), '{"models":[]}', path);
  }
});

t.test("tags: names with their tag, newest first", async (t) => {
  const records = [
    recordOf(LLAMA, ["completion"], 1_000),
    recordOf("registry.ollama.ai/apple/OpenELM:latest", [], 3_000),
    recordOf("myhost/mynamespace/lips:code", ["embedding"], 2_000),
  ];
  const models = await listOf(fakeCluster({ records }), "/api/tags");
  const names = ["apple/OpenELM:latest", "myhost/mynamespace/lips:code", "llama:latest"];
  t.strictSame(
    models.map(({ name }) => name),
    names,
  );
  t.strictSame(
    models.map(({ model }) => model),
    names,
  );
  t.strictSame(models[2], {
    name: "llama:latest",
    model: "llama:latest",
    modified_at: localTimestamp(1_000),
    size: 1_000,
    digest: digestOf(LLAMA),
    details: {
      parent_model: "",
      format: "gguf",
      family: "llama",
      families: ["llama"],
      parameter_size: "1B",
      quantization_level: "Q4_0",
      context_length: 2048,
    },
    capabilities: ["completion"],
  });
  t.notOk("capabilities" in (models[0] ?? {}), "none are left out");
});

t.test("tags: what somebody can serve, or what this node holds", async (t) => {
  const everywhere = recordOf(LLAMA);
  const elsewhere = recordOf("registry.ollama.ai/library/far:latest");
  const coming = recordOf("registry.ollama.ai/library/soon:latest");
  const holder = (state: "ready" | "syncing") => [{ node: "n" as never, state, ageMs: 0 }];
  const base = fakeCluster();
  const cluster = {
    ...base,
    models: { list: () => [everywhere] },
    replicas: {
      ...base.replicas,
      models: () => [
        { record: everywhere, holders: holder("ready") },
        { record: elsewhere, holders: holder("ready") },
        { record: coming, holders: holder("syncing") },
      ],
    },
  };
  const names = async (path: string) => (await listOf(cluster, path)).map(({ name }) => name);
  t.strictSame(await names("/api/tags"), ["llama:latest", "far:latest"]);
  t.strictSame(await names("/api/tags?local=true"), ["llama:latest"]);
  t.strictSame(await names("/api/tags?local=false"), ["llama:latest", "far:latest"]);
});

t.test("ps: what is loaded anywhere, the one that stays longest first", async (t) => {
  const records = ["llama", "small", "far"].map((name) =>
    recordOf(`registry.ollama.ai/library/${name}:latest`),
  );
  const loaded = (index: number, expiresInMs: number): LoadedModel => ({
    model: records[index]?.manifest ?? digestOf("unknown"),
    sizeBytes: 10 + index,
    vramBytes: 4,
    contextLength: 2048,
    expiresInMs,
  });
  const own = [loaded(0, HOUR_MS), loaded(1, Number.POSITIVE_INFINITY)];
  const other = (health: "alive" | "failed", list: readonly LoadedModel[], ageMs = 0) =>
    nodeOf({ id: "other" as never, health, loaded: list, ageMs });
  const cluster = fakeCluster({
    records,
    nodes: [
      nodeOf({ self: true, loaded: [loaded(2, 5 * HOUR_MS)] }),
      other("alive", [loaded(2, 2_000), loaded(9, 3_000), loaded(0, 500)], 1_000),
      other("failed", [loaded(1, HOUR_MS), loaded(8, HOUR_MS)]),
    ],
    engine: { status: () => ({ slots: 1, running: 0, queued: 0, loaded: own }) },
  });
  const at = (afterMs: number) => localTimestamp(Date.UTC(2026, 0, 1) + afterMs);
  const all = await listOf(cluster, "/api/ps");
  t.strictSame(
    all.map(({ name, expires_at }) => [name, expires_at]),
    [
      ["small:latest", at(9_223_372_036_854)],
      ["llama:latest", at(HOUR_MS)],
      [digestOf("unknown"), at(2_000)],
      ["far:latest", at(1_000)],
    ],
    "this node's are its engine's; what others said ages",
  );
  t.match(all[0]?.["expires_at"], /^2318-/);
  t.strictSame(all[1], {
    name: "llama:latest",
    model: "llama:latest",
    size: 10,
    digest: records[0]?.manifest,
    details: {
      parent_model: "",
      format: "gguf",
      family: "llama",
      families: ["llama"],
      parameter_size: "1B",
      quantization_level: "Q4_0",
    },
    expires_at: at(HOUR_MS),
    size_vram: 4,
    context_length: 2048,
  });
  t.strictSame(
    (await listOf(cluster, "/api/ps?local=true")).map(({ name }) => name),
    ["small:latest", "llama:latest"],
  );
});

t.test("ps: of several names of one model, the one that was used last", async (t) => {
  const [first, second] = ["llama", "copy"].map((name) => ({
    ...recordOf(`registry.ollama.ai/library/${name}:latest`),
    manifest: digestOf(LLAMA),
  }));
  if (!first || !second) throw new Error("two records");
  const loaded = { model: first.manifest, sizeBytes: 1, vramBytes: 0, contextLength: 8 };
  const cluster = fakeCluster({
    records: [first, second],
    engine: {
      status: () => ({
        ...{ slots: 1, running: 0, queued: 0 },
        loaded: [{ ...loaded, expiresInMs: HOUR_MS }],
      }),
    },
  });
  const app = createApp(cluster, running);
  const names = async () => {
    const { models } = (await (await app.request("/api/ps")).json()) as {
      models: { name: string }[];
    };
    return models.map(({ name }) => name);
  };
  t.strictSame(await names(), ["llama:latest"]);
  for (const name of ["copy", "llama", "copy"]) {
    const body = JSON.stringify({ model: name, messages: [{ role: "user", content: "hi" }] });
    await (await app.request("/api/chat", { method: "POST", body })).text();
    t.strictSame(await names(), [`${name}:latest`]);
  }
});

t.test("show", async (t) => {
  const show = async (body: unknown, headers: Record<string, string> = {}, told?: object) => {
    const cluster = fakeCluster({ records: [recordOf(LLAMA)] });
    if (told) cluster.inference.description = { ...told };
    const response = await createApp(cluster, running).request("/api/show", {
      method: "POST",
      headers,
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
    return { status: response.status, body: await response.json(), shown: cluster.inference.shown };
  };
  const refusals: readonly (readonly [body: unknown, status: number, error: string])[] = [
    ["", 400, "missing request body"],
    [{}, 400, "model is required"],
    [{ model: "" }, 400, "model is required"],
    [{ model: "a b" }, 400, "invalid model name"],
    [{ model: "X" }, 404, "model 'X:latest' not found"],
    [{ name: "me/x:1b" }, 404, "model 'me/x:1b' not found"],
    [
      { model: "me/x:cloud" },
      403,
      "ollama cloud is disabled: remote model details are unavailable",
    ],
  ];
  for (const [body, status, error] of refusals) {
    t.match(await show(body), { status, body: { error } }, JSON.stringify(body));
  }
  const modified_at = localTimestamp(0);
  const description = { modelfile: "FROM x", model_info: { a: 1 }, modified_at };
  for (const body of [{ model: "llama" }, { name: "Llama:LATEST" }, { model: "", name: "llama" }]) {
    const { status, body: answer, shown } = await show(body);
    t.equal(status, 200);
    t.strictSame(answer, description);
    t.strictSame(shown, [{ model: digestOf(LLAMA), verbose: false }]);
  }
  t.match(await show({ model: "llama", verbose: true }), { shown: [{ verbose: true }] });
  const set = await show({ model: "llama", system: "s", options: { top_k: 3 } });
  t.match(set.shown, [{ system: "s", parameters: { top_k: 3 } }]);
  const modelfile = "# Modelfile\n# FROM other:x\n\nFROM /x\nSYSTEM # FROM me\n";
  const copied = await show({ model: "llama" }, {}, { modelfile });
  const own = modelfile.replace("other:x", "llama:latest");
  t.match(copied.body, { modelfile: own }, "a copy has its own name");
  const editor = { "User-Agent": "GitHubCopilotChat/0.30" };
  t.strictSame((await show({ model: "llama" }, editor)).body, {
    ...description,
    model_info: { a: 1, "general.basename": "llama" },
  });
});

t.test("local times carry the offset of the day", (t) => {
  const given = process.env["TZ"];
  t.teardown(() => {
    if (given === undefined) delete process.env["TZ"];
    else process.env["TZ"] = given;
  });
  const rows: readonly (readonly [zone: string, wallMs: number, text: string])[] = [
    ["UTC", Date.UTC(2026, 0, 1), "2026-01-01T00:00:00.000Z"],
    ["Europe/Berlin", Date.UTC(2026, 0, 1), "2026-01-01T01:00:00.000+01:00"],
    ["Europe/Berlin", Date.UTC(2026, 6, 1), "2026-07-01T02:00:00.000+02:00"],
    ["America/St_Johns", Date.UTC(2026, 0, 1), "2025-12-31T20:30:00.000-03:30"],
    ["Asia/Kathmandu", Date.UTC(2026, 0, 1), "2026-01-01T05:45:00.000+05:45"],
  ];
  for (const [zone, wallMs, text] of rows) {
    process.env["TZ"] = zone;
    t.equal(localTimestamp(wallMs), text, zone);
  }
  t.end();
});
