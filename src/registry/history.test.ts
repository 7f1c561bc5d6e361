import { createHash } from "node:crypto";
import { digestOf } from "../../test/fixtures/fake-cluster.ts";
import { ManualClock } from "../../test/fixtures/manual-clock.ts";
import { Door, onEachPostgres, openPool, until } from "../../test/fixtures/postgres.ts";
import { recordingLog } from "../../test/fixtures/recording-log.ts";
import { recordingMetrics } from "../../test/fixtures/recording-metrics.ts";
import { testModel, testNodeId } from "../../test/fixtures/registry-rows.ts";
import { systemClock } from "../core/clock.ts";
import type { EndedRequest } from "../core/history.ts";
import { silentLog } from "../core/log.ts";
import { seededRandom } from "../core/random.ts";
import type { Sql } from "./connect.ts";
import { History, type HistoryDeps } from "./history.ts";
import { upsertModel } from "./models.ts";
import type { PoolOptions } from "./options.ts";
import { type Database, Pool } from "./pool.ts";

const PROMPT = "why is the sky blue?";
const ROWS_MAX = 10_000;

function ended(requestId: string, changes: Partial<EndedRequest> = {}): EndedRequest {
  return {
    requestId,
    kind: "generate",
    userId: undefined,
    model: digestOf("m"),
    modelName: testModel("m").name,
    prompt: [PROMPT],
    responseLength: 12,
    promptTokens: 5,
    outputTokens: 7,
    nodes: [testNodeId(1)],
    attempts: 1,
    strategy: "single",
    arrivedAtMs: Date.UTC(2026, 10, 23),
    durationMs: 1_234.5,
    failure: undefined,
    ...changes,
  };
}

/** Asked for as long as the test runs. */
class TestDatabase implements Database, AsyncDisposable {
  readonly #pool: Pool;
  isReady = true;

  constructor(options: PoolOptions) {
    this.#pool = new Pool(options, { clock: systemClock });
  }

  ready = (): boolean => this.isReady;
  run: Database["run"] = (statement, action, o) => this.#pool.run(statement, action, o);

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool[Symbol.asyncDispose]();
  }
}

function open(registry: HistoryDeps["registry"], changes: Partial<HistoryDeps> = {}) {
  const clock = new ManualClock();
  const metrics = recordingMetrics();
  const deps = { registry, clock, random: seededRandom(1), log: silentLog, metrics, ...changes };
  const rows = (outcome: string): number =>
    metrics.value("ollamamax_history_rows_total", { outcome });
  /** Moves the time on until that many rows have had this outcome. */
  const settled = (outcome: string, count: number) =>
    until(async () => {
      if (rows(outcome) < count) await clock.advance(1_000);
      return rows(outcome) >= count;
    });
  const waiting = (): number => metrics.value("ollamamax_history_rows_waiting");
  return { history: History.open(deps), clock, rows, settled, waiting };
}

async function ids(sql: Sql): Promise<string[]> {
  const rows = await sql<{ request_id: string }[]>`
    select request_id from inference_requests order by request_id`;
  return rows.map(({ request_id }) => request_id);
}

onEachPostgres((t, server) => {
  t.test(
    "a request becomes a row, with its prompt's hash and length and nothing else of it",
    async (t) => {
      const options = await server.database();
      await using pool = openPool(options);
      await using registry = new TestDatabase(options);
      const modelId = await upsertModel(pool.sql, testModel("m"));
      const { history, settled } = open(registry);
      await using _ = history;
      history.record(ended("a"));
      const failure = { code: "STALLED", message: "the node said nothing for 5.0 s" };
      const nodes = [testNodeId(1), testNodeId(2)];
      history.record(
        ended("b", { failure, nodes, attempts: 3, strategy: "failover", modelName: undefined }),
      );
      await settled("written", 2);
      const rows = await pool.sql`
      select *, to_json(nodes_used) as nodes_used from inference_requests order by request_id`;
      t.match(rows[0], {
        request_id: "a",
        model_id: modelId,
        model_name: "registry.ollama.ai/library/m:latest",
        prompt_hash: createHash("sha256").update(PROMPT).digest("hex"),
        prompt_length: PROMPT.length,
        response_length: 12,
        tokens_processed: 12,
        nodes_used: [testNodeId(1)],
        partition_strategy: "single",
        execution_time_ms: 1_235,
        status: "completed",
        error_message: null,
        user_id: null,
        metadata: { kind: "generate", attempts: 1, prompt_tokens: 5, output_tokens: 7 },
        created_at: new Date("2026-11-23T00:00:00.000Z"),
        completed_at: new Date("2026-11-23T00:00:01.234Z"),
      });
      t.match(rows[1], {
        model_id: null,
        model_name: digestOf("m"),
        status: "failed",
        error_message: "STALLED: the node said nothing for 5.0 s",
        nodes_used: nodes,
        metadata: { code: "STALLED", attempts: 3 },
      });
      t.notMatch(
        JSON.stringify(rows, (_key, value) => (typeof value === "bigint" ? `${value}` : value)),
        /sky/,
      );
    },
  );

  t.test("the user is kept, unless there is none of that id any more", async (t) => {
    const options = await server.database();
    await using pool = openPool(options);
    await using registry = new TestDatabase(options);
    const [ann] = await pool.sql<{ id: string }[]>`
      insert into users (username, password_hash) values ('ann', '!') returning id`;
    const { history, settled } = open(registry);
    await using _ = history;
    history.record(ended("a", { userId: ann?.id }));
    history.record(ended("b", { userId: "00000000-0000-4000-8000-000000000001" }));
    await settled("written", 2);
    t.same(
      [...(await pool.sql`select request_id, user_id from inference_requests order by request_id`)],
      [
        { request_id: "a", user_id: ann?.id },
        { request_id: "b", user_id: null },
      ],
    );
  });

  t.test("a request that came to no node has a row without a model", async (t) => {
    const options = await server.database();
    await using pool = openPool(options);
    await using registry = new TestDatabase(options);
    await upsertModel(pool.sql, testModel("m"));
    const { history, settled } = open(registry);
    await using _ = history;
    const failure = { code: "MODEL_UNKNOWN", message: "" };
    const refused = { model: undefined, prompt: [], nodes: [], attempts: 0, failure };
    history.record(ended("a", { ...refused, modelName: testModel("m").name }));
    history.record(ended("b", { ...refused, modelName: `\0${"漢😀".repeat(200)}\ud800` }));
    history.record(ended("c", { ...refused, modelName: undefined }));
    await settled("written", 3);
    const row = { model_id: null, prompt_hash: null, prompt_length: 0, status: "failed" };
    t.match(await pool.sql`select * from inference_requests order by request_id`, [
      { ...row, model_name: testModel("m").name, error_message: "MODEL_UNKNOWN" },
      { ...row, model_name: `${"漢😀".repeat(127)}漢` },
      { ...row, model_name: "", metadata: { code: "MODEL_UNKNOWN", digest: undefined } },
    ]);
  });

  t.test("a hostile request is a row too", async (t) => {
    const options = await server.database();
    await using pool = openPool(options);
    await using registry = new TestDatabase(options);
    const { history, settled, rows } = open(registry);
    await using _ = history;
    history.record(
      ended("r\0'; drop table inference_requests; --", {
        modelName: `\0${"x".repeat(300)}`,
        prompt: ["\0\ud800", "😀".repeat(100_000)],
        failure: { code: "LOAD_FAILED", message: `\0${"x".repeat(10_000)}\ud800` },
        durationMs: 1e13,
        responseLength: 1,
      }),
    );
    await settled("written", 1);
    t.match(
      await pool.sql`select prompt_length, execution_time_ms, length(error_message) as error from inference_requests`,
      [{ prompt_length: 200_002, execution_time_ms: 2_147_483_647, error: 1_000 }],
    );
    t.equal(rows("refused"), 0);
  });

  t.test("rows that the database refuses keep no others out", async (t) => {
    const options = await server.database();
    await using pool = openPool(options);
    await using registry = new TestDatabase(options);
    const log = recordingLog();
    const { history, settled, rows } = open(registry, { log });
    await using _ = history;
    await pool.sql`alter table inference_requests add constraint odd check (request_id <> 'odd')`;
    for (const id of ["a", "b", "odd", "c", "d"]) history.record(ended(id));
    await settled("written", 4);
    t.equal(rows("refused"), 1);
    t.same(await ids(pool.sql), ["a", "b", "c", "d"]);
    t.match(log.lines, [{ level: "error", text: "history refused a row" }]);
  });

  t.test("a database that is away: rows wait, and are written once when it is back", async (t) => {
    const options = await server.database();
    await using registry = new TestDatabase(options);
    const log = recordingLog();
    const { history, clock, settled, rows, waiting } = open(registry, { log });
    await using _ = history;
    await server.stop();
    for (let number = 0; number < 1_200; number++) {
      history.record(ended(String(number).padStart(5, "0")));
    }
    await until(async () => {
      await clock.advance(1_000);
      return log.lines.length > 0;
    });
    t.match(log.lines, [
      { level: "warn", text: "history waits", fields: { problem: /cannot reach/ } },
    ]);
    t.equal(waiting(), 1_200);
    await server.start();
    await settled("written", 1_200);
    t.equal(waiting(), 0);
    t.equal(rows("dropped"), 0);
    await using pool = openPool(options);
    t.equal((await ids(pool.sql)).length, 1_200);
    t.match(log.lines.at(-1), { level: "info", text: "history is written again" });
  });

  t.test("an answer that was lost makes no second row", async (t) => {
    const options = await server.database();
    await using pool = openPool(options);
    await using door = await Door.open(options.port);
    await using registry = new TestDatabase({ ...options, port: door.port });
    let lost = 0;
    const losing: HistoryDeps["registry"] = {
      ready: () => true,
      run: async (statement, action, o) => {
        const result = await registry.run(statement, action, o);
        if (++lost > 3) return result;
        throw Object.assign(new Error("gone"), { code: "ECONNRESET" });
      },
    };
    const { history, settled } = open(losing);
    await using _ = history;
    history.record(ended("a"));
    history.record(ended("b"));
    await settled("written", 2);
    t.equal(lost, 4);
    t.same(await ids(pool.sql), ["a", "b"]);
  });

  t.test("too many rows: the oldest go, and are counted", async (t) => {
    const options = await server.database();
    await using registry = new TestDatabase(options);
    registry.isReady = false;
    const { history, settled, rows, waiting } = open(registry);
    await using _ = history;
    for (let number = 0; number < ROWS_MAX + 50; number++) {
      history.record(ended(String(number).padStart(6, "0"), { prompt: [] }));
    }
    await until(() => rows("dropped") === 50);
    t.equal(waiting(), ROWS_MAX);
    registry.isReady = true;
    await settled("written", ROWS_MAX);
    await using pool = openPool(options);
    const kept = await ids(pool.sql);
    t.same([kept.length, kept.at(-1)], [ROWS_MAX, "010049"]);
  });

  t.test("the end writes what there is", async (t) => {
    const options = await server.database();
    await using pool = openPool(options);
    await using registry = new TestDatabase(options);
    const { history, clock } = open(registry);
    for (let number = 0; number < 700; number++) history.record(ended(`r${number}`));
    await history[Symbol.asyncDispose]();
    t.equal((await ids(pool.sql)).length, 700);
    t.equal(clock.sleeping, 0);
  });

  t.test(
    "the end waits a while for a database that does not answer, and says what was left",
    async (t) => {
      const options = await server.database();
      await using door = await Door.open(options.port);
      await using registry = new TestDatabase({ ...options, port: door.port });
      door.silence();
      const log = recordingLog();
      const { history, clock } = open(registry, { log });
      history.record(ended("a"));
      const disposed = history[Symbol.asyncDispose]();
      await until(() => clock.sleeping > 0);
      await clock.advance(3_000);
      await disposed;
      t.match(log.lines, [
        { level: "warn", text: "history was left unwritten", fields: { rows: 1 } },
      ]);
      t.equal(clock.sleeping, 0);
    },
  );
});
