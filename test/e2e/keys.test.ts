import t from "tap";
import { TestCluster } from "../fixtures/cluster.ts";
import { TestDaemon } from "../fixtures/daemon.ts";
import { call } from "../fixtures/http.ts";
import { openPool, until } from "../fixtures/postgres.ts";

const PROMPT = { model: "tiny-chat", prompt: "why is the sky blue?", stream: false };
/** After some tries with a wrong key it is 429. */
const isRefused = (status: number): boolean => status === 401 || status === 429;

t.test(
  "a node of production: its keys open what their roles may, until they are revoked",
  async (t) => {
    await using cluster = await TestCluster.open();
    await cluster.importDemo("a");
    const env = {
      ...cluster.databaseEnv(),
      ...{
        OLLAMA_ENVIRONMENT: "production",
        OLLAMA_DB_SSL_MODE: "disable",
        OLLAMA_HOST: "0.0.0.0",
      },
    };
    const node = cluster.start("a", env);
    const { apiUrl, webUrl } = await node.ready();
    await using pool = openPool({
      ...cluster.database.address,
      ...{ sslMode: "disable", connectionsMax: 1, idleTimeoutMs: 60_000, lifetimeMaxMs: 600_000 },
    });
    const { sql } = pool;
    const run = async (...args: string[]) => {
      await using command = new TestDaemon(env, ["key", ...args]);
      const { code, stderr } = await command.ended;
      return { code, stderr, stdout: command.output };
    };
    const made = async (
      ...args: string[]
    ): Promise<{ id: string; key: string; prefix: string }> => {
      const { code, stderr, stdout } = await run("create", ...args, "--json");
      t.equal(code, 0, stderr);
      return JSON.parse(stdout);
    };
    const statusOf = async (key: string, path = "/api/tags", body?: unknown): Promise<number> => {
      const headers = { Authorization: `Bearer ${key}` };
      return (await call(`${apiUrl}${path}`, body, undefined, headers)).status;
    };

    await until(() => node.output.includes("nobody can call the API: there is no key"));
    t.match(node.output, /ollamamax key create NAME --role admin/);
    t.equal((await call(`${apiUrl}/`)).text, "Ollama is running");
    t.equal((await call(`${apiUrl}/health/ready`)).status, 200);
    for (const url of [apiUrl, webUrl]) {
      const refused = await call(`${url}/api/generate`, PROMPT);
      t.equal(refused.status, 401, url);
      t.equal(refused.headers["www-authenticate"], "Bearer", url);
      t.match(JSON.parse(refused.text), { error: /Authorization: Bearer omx_/ }, url);
    }

    const root = await made("root", "--role", "admin");
    const ann = await made("laptop", "--user", "ann", "--expires", "1h", "--as", "root");
    const eve = await made("eve", "--role", "readonly");
    await until(async () => (await statusOf(eve.key)) === 200);
    t.equal(await statusOf(ann.key, "/api/generate", PROMPT), 200);
    t.equal(await statusOf(eve.key, "/api/generate", PROMPT), 403);
    t.equal(await statusOf(ann.key, "/api/cluster/audit"), 403);
    t.equal(await statusOf(root.key, "/api/cluster/audit"), 200);

    const listed = await run("list");
    t.match(listed.stdout, new RegExp(`omx_${ann.prefix} +laptop +ann +user +valid`));
    t.notMatch(listed.stdout, ann.key);
    const unknown = { ...PROMPT, model: "no:1b" };
    t.equal(await statusOf(ann.key, "/api/generate", unknown), 404);
    const history = () => sql<{ status: string; model_name: string; username: string | null }[]>`
      select status, model_name, username, model_id is not null as has_model, inference_requests.metadata ->> 'code' as code
      from inference_requests left join users on users.id = user_id order by inference_requests.created_at`;
    await until(async () => (await history()).length >= 2);
    t.match(
      [...(await history())],
      [
        { status: "completed", model_name: /tiny-chat:latest$/, username: "ann", code: null },
        { status: "failed", model_name: "no:1b", has_model: false, code: "MODEL_UNKNOWN" },
      ],
    );
    t.match(
      (await history()).map(({ username }) => username),
      ["ann", "ann"],
      "of whoever was refused at the door there is none",
    );
    await until(async () => {
      const rows = await sql`select 1 from api_keys where id = ${ann.id} and last_used is not null`;
      return rows.length === 1;
    });

    t.match(await run("revoke", ann.prefix, "--as", "root"), { code: 0, stdout: /is revoked/ });
    await until(async () => isRefused(await statusOf(ann.key)));
    t.equal(await statusOf(root.key), 200);
    const actors = await sql`
    select username from audit_log join users on users.id = audit_log.user_id
    where table_name = 'api_keys' and operation = 'UPDATE'`;
    t.same([...actors], [{ username: "root" }]);

    await cluster.stopDatabase();
    t.equal(await statusOf(root.key, "/api/generate", PROMPT), 200, "without the database");
    t.ok(isRefused(await statusOf(ann.key)));
    t.notMatch(node.output, root.key);
  },
);

t.test("what key tells whoever uses it wrongly", async (t) => {
  await using cluster = await TestCluster.open();
  const run = async (env: Readonly<Record<string, string>>, ...args: string[]) => {
    await using command = new TestDaemon(env, ["key", ...args]);
    const { code, stderr } = await command.ended;
    return { code, stderr, stdout: command.output };
  };
  const none = { OLLAMA_DATA_DIR: cluster.dataDir("none") };
  t.match(await run(none, "list"), { code: 1, stderr: /there is no embedded database in/ });
  const env = cluster.databaseEnv();
  t.match(await run(env, "list"), { code: 1, stderr: /the database lacks \d+ migration/ });
  await using raise = new TestDaemon(env, ["migrate", "--up"]);
  t.equal((await raise.ended).code, 0);
  t.match(await run(env, "list"), {
    code: 0,
    stdout: /there are no keys yet: ollamamax key create/,
  });
  const rows: readonly (readonly [args: readonly string[], code: number, stderr: RegExp])[] = [
    [["nonsense"], 2, /key knows create, list, revoke, not "nonsense"/],
    [["create"], 2, /key create takes NAME/],
    [["list", "more"], 2, /key list takes no arguments/],
    [["list", "--role", "user"], 2, /key list does not take --role/],
    [["create", "a", "--role", "root"], 2, /--role takes one of admin, operator, user, readonly/],
    [["create", "a", "--expires", "soon"], 2, /--expires takes .* such as 30m, 12h or 90d/],
    [["create", "a\nb"], 2, /NAME takes 1 to 255 characters/],
    [["create", "a", "--as", "nobody"], 1, /there is no user nobody/],
    [["revoke", "0123456789abcdef"], 1, /there is no key 0123456789abcdef: see ollamamax key list/],
  ];
  for (const [args, code, stderr] of rows) {
    t.match(await run(env, ...args), { code, stderr, stdout: "" }, args.join(" "));
  }
  const made = await run(env, "create", "a", "--expires", "90d");
  t.match(made.stdout, /a key of role user for a, valid until 20.*\n\n {2}omx_\w+/);
  t.match(made.stdout, /curl http:\/\/127\.0\.0\.1:\d+\/api\/tags -H "Authorization: Bearer omx_/);
  const [key = ""] = /omx_[\w-]+/.exec(made.stdout) ?? [];
  t.match(await run(env, "revoke", key), { code: 0, stdout: /is revoked: every node refuses it/ });
  t.match(await run(env, "revoke", key), { code: 0, stdout: /was revoked before/ });
});
